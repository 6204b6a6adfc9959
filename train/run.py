"""Run: everything about a training run that is not the recipe's, and the choices it has."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "32-true", "bf16-mixed"]
Memory = Literal["auto", "device", "stream"]
Metric = Literal["val_psnr", "val_ssim"]


@dataclass(frozen=True)
class Run:
    """Where and how long a recipe is run.

    Attributes:
        data: Folder of photos, folder of tar shards, a tar, or a data set on the Hub.
        folder: Where checkpoints, log, curves and contact sheet go.
        export: Where the weights go.
        device: "auto" takes the GPU when there is one.
        devices: GPUs, or CPU processes, of each node.
        nodes: Machines.
        precision: "auto" takes what the device is fast at.
        compile: Compile the network: a minute more at the start, and faster from then on.
        memory: Whether the photos are kept on the device or streamed.
        limit_seconds: Stop after so many seconds of training; the schedule fits itself to it.
        limit_photos: Use at most so many training photos.
        resume: Go on from the folder's last checkpoint.
    """

    data: str
    folder: Path
    export: Path
    device: Device = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Precision = "auto"
    compile: bool = False
    memory: Memory = "auto"
    limit_seconds: float | None = None
    limit_photos: int | None = None
    resume: bool = False
