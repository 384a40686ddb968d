"""Called by `run`. Starts two workers, then the producer, and ends when the producer does."""

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER.parent))

import launcher  # noqa: E402


def main() -> None:
    parser = launcher.options("Two workers, and a producer that is faster", choose_layer=True)
    parser.add_argument("--jobs", type=int, default=60, metavar="N")
    arguments = parser.parse_args()
    variables = launcher.environment(arguments)
    with launcher.ending_on_ctrl_c(), launcher.broker(arguments.url):
        python = launcher.install(FOLDER) / "python"
        processes: list[subprocess.Popen] = []
        try:
            for name in "AB":
                processes.append(
                    subprocess.Popen(
                        [python, "manage.py", "runworker", "thumbnails"],
                        cwd=FOLDER,
                        env=variables | {"WORKER_NAME": name},
                        stdout=subprocess.PIPE,
                        process_group=0,  # Ctrl-C ends this program, which then ends its processes
                    )
                )
            for name, worker in zip("AB", processes, strict=True):
                if not worker.stdout.readline():
                    sys.exit("A worker ended at once; see its message above.")
                print(f"Worker {name} waits for jobs.", flush=True)
            line = [python, "manage.py", "produce", "--jobs", str(arguments.jobs)]
            producer = subprocess.Popen(line, cwd=FOLDER, env=variables, process_group=0)
            processes.append(producer)
            sys.exit(producer.wait())
        finally:
            launcher.stop(processes)


main()
