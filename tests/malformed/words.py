"""Words of the command line and the environment: unknown ones, impossible numbers, places that take no files."""

from __future__ import annotations

import cell_factory as factory

from malformed.case import Case, as_json, named

RUN = {
    "run/cells/dit-mnist/ddim-50.json": as_json(factory.cell()),
    "run/cells/dit-mnist/ddim-20.json": as_json(factory.cell(steps=20)),
}
SUITE = {"s.toml": 'name = "t"\n[[cells]]\nmodels = "dit-mnist"\nsampler = { name = "ddim", steps = 4 }\n'}

NUMBERS = {  # a command line with {} for the value -> values that it cannot have
    "run smoke --dry-run --threads {}": ("0", "-1", "4097", "x", "1.5", "nan", "9" * 5000, ""),
    "run smoke --jobs {}": ("0", "-1", "4097", "1e3", "x", ""),
    "run smoke --dry-run --batch {}": ("", "0", "-1", "8,,8", "8,8", "aut", "1.5", "100001", "٣", "9" * 5000),
    "run smoke --dry-run --rates {}": ("h10", "1,2,3", "0,1", "-1,1", "nan,1", "1e12,x", "inf,inf", ",", "1"),
    "run smoke --on {}": ("", "locl", "local:", "local:0", "local:-1", "local:1,1", "local:x", "local:device=",
        "local:99999",
                          "slurm:partion=x", "ray:2,3", "local:9999999"),
    "run smoke --dtype {}": ("float8", "fp3", "", "3"),
    "run smoke --dry-run --execution {}": ("compild", ""),
    "run smoke --device {}": ("", "gpu", "cuda:", "cuda:-1", "cuda:99", "cuda:x", "cpu:1", "meta", "mps"),
    "run smoke --dry-run --only {}": ("", "steps=51", "stps=10", "cache=", "=", "a,b", "nothing", "*" * 3 + "x", "[",
        "steps=nan"),
    "run smoke --retry {}": ("faild", "ok,faild", "*"),
    "run smoke --features {}": ("admm", "../x"),
    "run smoke --inception {}": ("nowhere.pt", ""),
    "run smoke --reference {}": ("mnist-500", "nowhere.npz", ""),
    "run smoke --weights {}": ("nowhere.pt", ""),
    "run smoke --plugin {}": ("nowhere.py", "", "."),
    "sample smoke --threads {}": ("0", "x"),
    "compare run run --factor {}": ("0", "0.99", "-1", "nan", "inf", "x", "1e999"),
    "gate run run --seconds {}": ("0", "-1", "nan", "inf", "x"),
    "gate run run --base-ref {}": ("no-such-commit", "", "--", "-x"),
    "report run --format {}": ("cvs", "CSV", ""),
    "report run --figures f --figure-format {}": ("jpg", "PDF", ""),
    "report run --format csv --only {}": ("steps=51", "stps=3", ""),
    "evaluate x.npz --batch {}": ("0", "-1", "100001", "x", "1.5", "9" * 5000),
    "evaluate x.npz --features {}": ("admm", ""),
    "evaluate x.npz --device {}": ("gpu", "cuda:99"),
    "reference x.npz --out o.safetensors --keep {}": ("3", "0", "-1", "x"),
    "choose dit-mnist --error {}": ("0", "-1", "nan", "inf", "x", "", "1e999"),
    "choose dit-mnist --speedup {}": ("0", "-1", "nan", "inf", "x"),
    "choose dit-mnist --fd {}": ("-1", "nan", "x", "5%%", "inf"),
    "choose dit-mnist --error 0.1 --samples {}": ("0", "31", "-1", "x", "10000001"),
    "choose dit-mnist --error 0.1 --batch {}": ("0", "100001", "x"),
    "choose dit-mnist --error 0.1 --seed {}": ("-1", "9007199254740993", "x"),
    "choose dit-mnist --error 0.1 --timeout {}": ("0", "nan", "inf", "-1"),
    "choose dit-mnist --error 0.1 --jobs {}": ("0", "4097", "-1"),
    "choose dit-mnist --error 0.1 --threads {}": ("0", "4097"),
    "calibrate smoothcache --out o.json --samples {}": ("0", "-1", "x", "10000001", "9" * 30),
    "calibrate smoothcache --out o.json --batch {}": ("0", "-1", "x", "100001", "9" * 30),
    "calibrate smoothcache --out o.json --seed {}": ("-1", "x", "9007199254740993", "9" * 30),
    "calibrate smoothcache --out o.json --device {}": ("gpu", "cuda:99", ""),
    "train digit-classifier --out o --steps {}": ("0", "-1", "x", "9" * 30),
    "train digit-classifier --out o --batch {}": ("0", "-1", "x", "9" * 30),
    "train digit-classifier --out o --seed {}": ("-1", "x", "9" * 30),
    "train digit-classifier --out o --threads {}": ("0", "-1", "x", "4097", "9" * 30),
    "train digit-classifier --out o --workers {}": ("0", "-1", "x", "4097", "9" * 30),
    "train digit-classifier --out o --accumulate {}": ("0", "-1", "x", "9" * 30),
    "train digit-classifier --out o --save-every {}": ("-1", "nan", "inf", "x"),
    "train digit-classifier --out o --dtype {}": ("float8", ""),
    "train digit-classifier --out o --device {}": ("gpu", "cuda:99"),
    "train dit-mnist --out o --data {}": ("nowhere", ""),
    "train-router dit-mnist --out o.safetensors --l1 {}": ("-1", "nan", "inf", "x"),
    "train-router dit-mnist --out o.safetensors --l1 1 --lr {}": ("-1", "nan", "100", "x"),
    "train-router dit-mnist --out o.safetensors --l1 1 --steps {}": ("0", "1001", "x", "1.5"),
    "train-router dit-mnist --out o.safetensors --l1 1 --interval {}": ("1", "0", "1001", "x"),
    "train-router dit-mnist --out o.safetensors --l1 1 --threshold {}": ("-0.1", "1.1", "nan", "x"),
    "train-router dit-mnist --out o.safetensors --l1 1 --samples {}": ("0", "-1", "9" * 30),
    "train-router dit-mnist --out o.safetensors --l1 1 --iterations {}": ("0", "-1", "x", "9" * 30),
    "train-router dit-mnist --out o.safetensors --l1 1 --batch {}": ("0", "-1", "x", "9" * 30),
    "train-router dit-mnist --out o.safetensors --l1 1 --seed {}": ("-1", "x", "9" * 30),
    "train-router dit-mnist --out o.safetensors --l1 1 --method {}": ("l2d", ""),
    "train-router dit-mnist --out o.safetensors --l1 1 --sampler {}": ("fora", "ddin", ""),
    "train-router dit-mnist --out o.safetensors --l1 1 --set {}": ("eta", "eta=2", "et=0", "="),
    "train-router dit-mnist --out o.safetensors --l1 1 --data {}": ("nowhere", ""),
    "train-router dit-mnist --out o.safetensors --l1 1 --plot {}": ("x.jpg", "x", ""),
    "encode dit-mnist --data run --out o --batch {}": ("0", "-1", "x", "9" * 30),
    "encode dit-mnist --data run --out o --workers {}": ("0", "-1", "x", "9" * 30),
    "encode dit-mnist --out o --data {}": ("nowhere", "s.toml"),
    "plan fora interval={}": ("0", "-2", "1001", "2.0", "x", "", "True", "nan", "[2]", "0x" + "f" * 5000, "9" * 5000,
        "(" * 9999,
                              "-" * 9999 + "1", "[" * 9999, "{}", "2,3"),
    "plan easycache threshold={}": ("-1", "nan", "inf", "x", "1e999", "-0.1", "None", "1j", "'1'"),
    "plan fora interval=2 steps={}": ("0", "1001", "-1", "x", "5.5", "9" * 30),
    "plan fora interval=2 sampler={}": ("ddin", "deepcache", "", "../x"),
    "plan fora interval=2 sampler.eta={}": ("2", "-1", "nan", "x"),
    "plan fora interval=2 --model {}": ("dit-mnits", "", "../x"),
    "plan {}": ("for", "fora interval", "fora interval=2 nonsense=1", "ddim stps=4", "fora =2", "ddim =", "l2c",
        "schedule",
                "l2c router=nowhere.pt", "schedule file=nowhere.json", "smoothcache calibration=nowhere threshold=1"),
    "study {}": ("nowhere", "all --json", "search --model dit-mnits"),
    "doctor {}": ("smok", "nowhere.toml", "smoke --device gpu"),
    "list {}": ("modls", "methods models", "--plugin nowhere.py"),
    "check-method {}": ("nowhere.py", "fora --model dit-mnits", "for"),
    "site {}": ("run", "run --out", "run --out o --check o", "nowhere --out o", "run run --out o"),
    "{}": ("lst", "RUN", "--verson", "run", "run smoke --nonsense", "run smoke --jbos 2", "sample", "report",
        "compare run",
           "gate run", "report run --figures f --format csv", "report run --only x", "evaluate", "reference x.npz",
               "choose",
           "choose dit-mnist", "choose dit-mnist --error 0.1 --speedup 2", "choose dit-mnits --error 0.1", "calibrate",
           "calibrate fora --out o.json", "train", "train nothing", "train-router dit-mnist", "encode dit-mnist",
           "evaluate x.npz --paired", "evaluate x.npz --lpips f", "evaluate nowhere", "report nowhere",
               "compare run nowhere",
           "check-results nowhere", "gate nowhere run", "run smoke --json", "run smoke --rates h100"),
}  # fmt: skip

BAD_PLACES = {"a NUL": "a\0b", "half a character": "\ud800", "a byte that is no character": "\udcff",
    "a name of 300 letters": "x" * 300,
              "below a file": "s.toml/x", "below a device": "/dev/null/x", "in no one's folder": "/proc/x/y",
                  "nothing": "",
              "a path of 5,000 letters": "x/" * 2500}  # fmt: skip
WRITERS = {
    "run s.toml --weights random --out {}": "", "sample s.toml --out {}": "", "doctor s.toml --out {}": "doctor",
    "report run --out {}": "", "report run --figures {}": "", "report run --format csv --out {}": "",
    "compare run run --html {}": "", "gate run run --out {}": "", "site run --out {}": "",
    "plan fora interval=2 steps=4 --png {}": "", "plan fora interval=2 steps=4 --smoothcache {}": "",
    "calibrate smoothcache steps=2 --samples 1 --out {}": "", "choose dit-mnist --error 0.1 --suite {}": "",
    "train digit-classifier --steps 1 --out {}": "", "train-router dit-mnist --l1 1 --steps 4 --out {}": "",
    "encode dit-mnist --data run --out {}": "", "reference x.npz --out {}": "", "study search --quick --out {}": "",
}  # fmt: skip
READERS = ("run {}", "report {}", "site {} --out o", "check-results {}", "evaluate {}", "evaluate x.npz {}",
    "plan l2c router={}",
           "run s.toml --weights {}", "run s.toml --plugin {}", "run s.toml --inception {}", "check-method {}",
               "doctor {}")  # fmt: skip
ENVIRONMENT = {
    "RANK = x": {"RANK": "x", "WORLD_SIZE": "2"}, "WORLD_SIZE = x": {"WORLD_SIZE": "x"}, "RANK = -1": {"RANK": "-1",
        "WORLD_SIZE": "2"},
    "RANK beyond": {"RANK": "2", "WORLD_SIZE": "2"}, "WORLD_SIZE = 0": {"WORLD_SIZE": "0"},
        "WORLD_SIZE = -1": {"WORLD_SIZE": "-1"},
    "RANK of 5,000 digits": {"RANK": "9" * 5000, "WORLD_SIZE": "2"}, "WORLD_SIZE = 2.0": {"WORLD_SIZE": "2.0"},
    "an empty WORLD_SIZE": {"WORLD_SIZE": ""},
}  # fmt: skip
TRAINING = {"LOCAL_RANK = x": {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "x"}, "no LOCAL_RANK": {"WORLD_SIZE": "2",
    "RANK": "0"},
            "no RANK": {"WORLD_SIZE": "2", "LOCAL_RANK": "0"},
            "no MASTER_ADDR": {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"},
            "MASTER_PORT = x": {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost",
                "MASTER_PORT": "x"}}  # fmt: skip


def case(name: str, line: str, value: str, *says: str) -> Case:
    """A command line, its value as one word where it stands alone, in a folder with a run, a suite and nothing else."""
    words: list[str] = []
    for word in line.split():
        words += value.split() if word == "{}" and line in COMMANDS else [word.replace("{}", value)]
    return Case(name, words, says, RUN | SUITE)


COMMANDS = ("{}", "plan {}", "study {}", "doctor {}", "list {}", "check-method {}", "site {}")


def cases() -> list[Case]:
    made = [case(f"{line.format(v[:24])!a} ({len(v)})", line, v) for line, values in NUMBERS.items() for v in values]
    places = [
        case(f"{line}: {name}", line, place)
        for line in WRITERS
        if WRITERS[line] != "doctor"
        for name, place in BAD_PLACES.items()
    ]
    odd = [
        (name, place)
        for name, place in BAD_PLACES.items()
        if name in ("a NUL", "half a character", "a byte that is no character")
    ]
    readers = [case(f"{line}: {name}", line, place) for line in READERS for name, place in odd]
    shares = [
        Case(name, ["sample", "s.toml", "--out", "o"], [next(iter(v))], RUN | SUITE, 2, v)
        for name, v in ENVIRONMENT.items()
    ]
    line = ["train", "digit-classifier", "--steps", "1", "--out", "o"]
    training = [Case(f"train: {name}", line, [], RUN | SUITE, 2, v) for name, v in (ENVIRONMENT | TRAINING).items()
                if name not in ("an empty WORLD_SIZE",)]  # fmt: skip
    return [*made, *places, *readers, *shares, *training]


CASES = named("words", cases())
