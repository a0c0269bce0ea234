"""Two ranks that answer lines by lines of JSON, each through two pipes in a folder."""
import json
import os
import select


class RankPipes:
    """`processes` run them, whose ranks open FOLDER/commands-RANK and FOLDER/answers-RANK."""

    def __init__(self, folder, ranks, start):
        self.pipes, self.rest = [], [b""] * ranks
        for rank in range(ranks):
            for name in ("commands", "answers"):
                os.mkfifo(folder / f"{name}-{rank}")
        # For both directions, so that opening waits for nobody.
        for rank in range(ranks):
            self.pipes.append([os.open(folder / f"{name}-{rank}", os.O_RDWR)
                               for name in ("commands", "answers")])
        self.processes = start()
        self.answers()  # ready

    def line_of(self, rank):
        while b"\n" not in self.rest[rank]:
            ready, _, _ = select.select([self.pipes[rank][1]], [], [], 0.5)
            if ready:
                self.rest[rank] += os.read(self.pipes[rank][1], 1 << 16)
            else:
                for process in self.processes:
                    if process.poll() is not None:
                        raise SystemExit(f"{' '.join(map(str, process.args))} ended with "
                                         f"{process.returncode}")
        line, self.rest[rank] = self.rest[rank].split(b"\n", 1)
        return line.decode()

    def answers(self):
        lines = [self.line_of(rank) for rank in range(len(self.pipes))]
        return [line if line == "ready" else json.loads(line) for line in lines]

    def steps(self, count):
        """What each rank says of `count` steps."""
        for commands, _ in self.pipes:
            os.write(commands, f"step {count}\n".encode())
        return self.answers()

    def close(self):
        for commands, answers in self.pipes:
            os.close(commands)
            os.close(answers)
        for process in self.processes:
            process.wait()
