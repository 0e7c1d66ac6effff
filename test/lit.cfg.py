"""The lit suite: FileCheck tests of stoop and stoop-opt. Run through test/run.sh or `ninja check-lit`."""
import os

import lit.formats

config.name = "stoop"
config.test_format = lit.formats.ShTest(execute_external=False)
config.suffixes = [".mlir", ".test"]
config.excludes = ["Inputs", "checkpoints", "tokenizers"]
config.test_source_root = os.path.dirname(__file__)
config.test_exec_root = os.path.join(config.stoop_build_dir, "test", "lit")

# Everything a test may call; nothing else of the caller's environment matters.
config.environment["PATH"] = os.pathsep.join(
    [os.path.join(config.stoop_build_dir, "bin"), config.llvm_tools_dir, "/usr/bin", "/bin"]
)
config.environment["STOOP_TUNING_DB"] = "none"
config.environment["LC_ALL"] = "C.UTF-8"
config.substitutions.append(("%checkpoints", os.path.join(config.stoop_source_dir, "test", "checkpoints")))
config.substitutions.append(("%tiny", os.path.join(config.stoop_source_dir, "examples", "falcon-tiny", "model")))
config.substitutions.append(("%python", "/usr/bin/python3"))

# STOOP_OPT_CHECK_ROUNDTRIP=1 reruns every stoop-opt line through the printer, the parser and bytecode.
if os.environ.get("STOOP_OPT_CHECK_ROUNDTRIP"):
    config.substitutions.append(("stoop-opt", "stoop-opt --verify-roundtrip"))
