"""`python -m terraform.archive`: the source of the functions, exactly what runs, as one archive.

The same files make the same archive, byte for byte, so that nothing is deployed again without a
change. `build/source.zip` is what Terraform uploads; `build/source/` has the same files for gcloud.
"""

import shutil
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: What the functions are made of, as patterns within the project.
_RUNS = ("main.py", "requirements.txt", "functions/**/*.py", "lib/**/*.py", "lib/**/*.md")
#: What operators run on their own machines.
_DOES_NOT = ("lib/console/", "lib/adapters/scheduler.py")
#: A time that is in every archive; a zip file knows none before.
_TIME = (1980, 1, 1, 0, 0, 0)


def files(root: Path = ROOT) -> list[str]:
    """What the archive holds: paths within the project, sorted."""
    found = {path.relative_to(root).as_posix() for pattern in _RUNS for path in root.glob(pattern)}
    return sorted(name for name in found if not name.startswith(_DOES_NOT))


def write(target: Path, root: Path = ROOT) -> None:
    """Write the archive to `target`."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w") as archive:
        for name in files(root):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, (root / name).read_bytes(), compresslevel=9)


def unpack(archive: Path, target: Path) -> None:
    """Put the archive's files into `target`, and nothing else."""
    shutil.rmtree(target, ignore_errors=True)
    with zipfile.ZipFile(archive) as packed:
        packed.extractall(target)


def main() -> int:
    """Write build/source.zip and build/source/."""
    archive = ROOT / "build" / "source.zip"
    write(archive)
    unpack(archive, ROOT / "build" / "source")
    print(f"{archive.relative_to(ROOT)}: {len(files())} files, {archive.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
