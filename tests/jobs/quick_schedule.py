"""The scheduler with shorter cadences: `python -m tests.jobs.quick_schedule recover=1 sync=5`, in seconds."""

import dataclasses
import sys

from jobs import schedule


def main(arguments: list[str]) -> None:
    """Run until it is stopped; what no argument names keeps its cadence."""
    wanted = dict(argument.split("=") for argument in arguments)
    schedule.CADENCES = tuple(
        dataclasses.replace(each, every_s=int(wanted.get(each.name, each.every_s)))
        for each in schedule.CADENCES
    )
    schedule.main()


if __name__ == "__main__":
    main(sys.argv[1:])
