"""Starts a system, runs the examples against it through proxies that disturb them, and stops it."""

import argparse
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import checks

from .examples import NAMES, Example, examples, once, typed_calls
from .grpc_proxy import GrpcProxy
from .plan import REJECT_SECONDS, Fate, Plan
from .rest_proxy import RestProxy
from .system import System

UNKNOWN_CASE = 2**40
LONGEST_ATTEMPT = 6.0


def options() -> argparse.Namespace:
    parser = checks.parser("clients", __doc__)
    parser.add_argument("--built", type=Path, required=True, help="what was generated and compiled")
    parser.add_argument("--rust", type=Path, help="the compiled example in Rust")
    parser.add_argument("--go", type=Path, help="the compiled example in Go")
    parser.add_argument("--grpcurl", type=Path, help="the program grpcurl")
    return parser.parse_args()


def check_rejected_then_lost(system: System, example: Example) -> None:
    """A rejected attempt, one whose response is lost, a repeat: two tasks, and one key."""
    plan = Plan([Fate.REJECT, Fate.LOSE], Fate.PASS)
    case_id = system.new_case()
    outcome = run(system, example, plan, case_id)
    expect(outcome.status == 0, f"it succeeds: {outcome}")
    expect(len(plan.requests) == 3, f"three attempts, but {plan.requests}")
    waited = plan.requests[1].time - plan.requests[0].time
    expect(waited >= REJECT_SECONDS, f"it waits for {REJECT_SECONDS} s, but only for {waited}")
    check_attempts(plan)
    tasks = system.task_ids(case_id)
    expect(len(tasks) == 2 and outcome.task_ids() == tasks, f"{tasks} were created: {outcome}")


def check_never_answered(system: System, example: Example) -> None:
    """No attempt has a response, and one has created the tasks: their ids are looked up."""
    plan = Plan([Fate.LOSE], Fate.DROP)
    case_id = system.new_case()
    outcome = run(system, example, plan, case_id)
    expect(outcome.status == 0, f"it succeeds: {outcome}")
    expect(len(plan.requests) >= 3, f"it tries again: {plan.requests}")
    check_attempts(plan)
    tasks = system.task_ids(case_id)
    expect(len(tasks) == 2 and outcome.task_ids() == tasks, f"{tasks} were created: {outcome}")


def check_nothing_created(system: System, example: Example) -> None:
    """No attempt reaches the service: the example fails, and nothing was created."""
    case_id = system.new_case()
    outcome = run(system, example, Plan([], Fate.DROP), case_id)
    expect(outcome.status != 0, f"it fails: {outcome}")
    expect(system.task_ids(case_id) == [], "nothing was created")


def check_broken_by_a_proxy(system: System, example: Example) -> None:
    """Errors of a proxy, without a problem document, prove nothing: the request is repeated."""
    plan = Plan([Fate.BREAK, Fate.BREAK_IN_HTML], Fate.PASS)
    case_id = system.new_case()
    outcome = run(system, example, plan, case_id)
    expect(outcome.status == 0, f"it succeeds: {outcome}")
    expect(len(plan.requests) == 3, f"three attempts, but {plan.requests}")
    check_attempts(plan)
    tasks = system.task_ids(case_id)
    expect(len(tasks) == 2 and outcome.task_ids() == tasks, f"{tasks} were created: {outcome}")


def check_refused(system: System, example: Example) -> None:
    """A request that is refused is not repeated."""
    plan = Plan([], Fate.PASS)
    outcome = run(system, example, plan, UNKNOWN_CASE)
    expect(outcome.status != 0, f"it fails: {outcome}")
    expect(len(plan.requests) == 1, f"one attempt, but {plan.requests}")
    said = outcome.stdout + outcome.stderr
    expect(f"case {UNKNOWN_CASE} does not exist" in said, f"it says why: {outcome}")


def check_types(system: System, program: Example) -> None:
    """Calls with types of the OpenAPI document compile, and what the gateway sends is as they say."""
    outcome = program.run(system.rest_url, system.key, system.new_case())
    expect(outcome.status == 0, f"it succeeds: {outcome}")


CHECKS = [check_rejected_then_lost, check_never_answered, check_nothing_created, check_refused]


# Of examples over REST.
REST_CHECKS = [check_broken_by_a_proxy]


def check_once(system: System, example: Example) -> None:
    """An example of one attempt creates the tasks that it prints."""
    case_id = system.new_case()
    outcome = example.run(system.grpc_url, system.key, case_id)
    expect(outcome.status == 0, f"it succeeds: {outcome}")
    tasks = system.task_ids(case_id)
    expect(len(tasks) == 2 and outcome.task_ids() == tasks, f"{tasks} were created: {outcome}")


def check_attempts(plan: Plan) -> None:
    """Every attempt has the same key, and a deadline."""
    keys = {request.key for request in plan.requests}
    expect(len(keys) == 1 and keys != {""} and keys != {None}, f"one key for all attempts: {keys}")
    for request in plan.requests:
        is_limited = request.deadline is not None and 0 < request.deadline <= LONGEST_ATTEMPT
        expect(is_limited, f"each attempt has a deadline: {request}")


def run(system: System, example: Example, plan: Plan, case_id: int):
    proxy = GrpcProxy(system.grpc_address, plan) if example.is_grpc else RestProxy(system.rest_address, plan)
    with proxy as url:
        return example.run(url, system.key, case_id)


def expect(condition: bool, what: str) -> None:
    if not condition:
        raise AssertionError(what)


def failure(check, system: System, example: Example) -> str | None:
    """Returns how a check of an example failed, if it did."""
    try:
        check(system, example)
        return None
    except Exception as error:
        return f"clients: {example.name}: {check.__name__}: {type(error).__name__}: {error}"


def main() -> int:
    chosen = options()
    found = examples(chosen.built, chosen.rust, chosen.go)
    pairs = [(check, example) for check in CHECKS for example in found]
    pairs += [(check, example) for check in REST_CHECKS for example in found if not example.is_grpc]
    pairs += [(check_types, program) for program in typed_calls(chosen.built)]
    single = once(chosen.grpcurl)
    pairs += [(check_once, example) for example in single]
    with checks.started("clients", System, chosen.program) as system:
        # Most of the time the examples wait, so all of them run at once.
        with ThreadPoolExecutor(len(pairs)) as pool:
            outcomes = list(pool.map(lambda pair: failure(pair[0], system, pair[1]), pairs))
    failures = [outcome for outcome in outcomes if outcome]
    for line in failures:
        print(line, file=sys.stderr)
    ran = [example.name for example in found + single]
    print(f"clients: ran {', '.join(ran)}")
    if left_out := [name for name in NAMES if name not in ran]:
        print(f"clients: not run, as this machine lacks what they need: {', '.join(left_out)}")
    print(f"{len(pairs) - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0


sys.exit(main())
