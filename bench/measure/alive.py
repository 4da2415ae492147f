"""What is held between two evaluations, whoever holds it: seen from the memory itself, not asked of a cache."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from unittest import mock

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bench.sampling.compiled import PlainTrajectory, Run
from bench.sampling.compiled.trajectory import Trajectory


class Alive(TorchDispatchMode):
    """Inside it, notes the memory of every tensor that an operation makes, by weak references."""

    def __init__(self) -> None:
        super().__init__()
        # By address, which a weak reference keeps from being used anew.
        self.known: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in tensors((args, kwargs)):
            self.note(tensor, is_new=False)  # no operation seen here has made it
        out = func(*args, **(kwargs or {}))
        for tensor in tensors(out):
            self.note(tensor, is_new=True)
        return out

    def note(self, tensor: Tensor, is_new: bool) -> None:
        """Remember memory that is seen for the first time; what was there before counts as nothing."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.known:
            self.known[storage._cdata] = StorageWeakRef(storage), storage.nbytes() if is_new else 0

    def bytes(self) -> int:
        """Of the memory that was made and is still held."""
        return sum(size for reference, size in self.known.values() if not reference.expired())


def tensors(values: Any) -> Iterator[Tensor]:
    """All tensors in nested arguments or results."""
    return (leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor))


def bytes_between_evaluations(run: Run, noise: Tensor, labels: Tensor) -> list[int]:
    """Bytes held after each evaluation of one trajectory, of all that it has made; `run` is afterwards as it was.

    The sampler's state is among them, and what every evaluation needs: compare with an uncached trajectory's.
    """
    assert isinstance(run, (Trajectory, PlainTrajectory)), "a captured graph cannot be looked into"
    owner: Any = run if isinstance(run, Trajectory) else run.executor
    evaluate, held = owner.evaluate, []

    def looked(*args: Any) -> Tensor:
        out = evaluate(*args)
        held.append(alive.bytes())
        return out

    with Alive() as alive, mock.patch.object(owner, "evaluate", looked):
        run(noise, labels)
    return held
