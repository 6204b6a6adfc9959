"""Run: the settings of a training run that are not part of the recipe."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["auto", "32-true", "bf16-mixed"]
Memory = Literal["auto", "device", "stream"]
Metric = Literal["val_psnr", "val_ssim"]


@dataclass(frozen=True)
class Run:
    """Where, and for how long, a recipe is run.

    Attributes:
        data: Folder of photos, folder of tar shards, a tar, or a data set on the Hub.
        folder: Folder for checkpoints, log, curves and contact sheet.
        export: Folder for the weights.
        device: "auto" uses the GPU if there is one.
        devices: GPUs, or CPU processes, per node.
        nodes: Number of machines.
        precision: "auto" chooses what is fast on the device.
        compile: Compile the network: takes a minute at the start, and is faster afterwards.
        memory: Whether the photos are kept on the device or streamed.
        limit_seconds: Training time in seconds; the learning-rate schedule adapts to it.
        keep_every: Keep a checkpoint each time so many minutes have passed, to choose from.
        limit_photos: Largest number of training photos.
        resume: Continue from the folder's last checkpoint.
        overwrite: Replace the checkpoints of an earlier run in the folder, unless it is resumed.
            They are kept until this run writes its first one.
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
    keep_every: float | None = None
    limit_photos: int | None = None
    resume: bool = False
    overwrite: bool = False
