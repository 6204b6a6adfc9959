"""The search for a recipe's numbers."""

import csv
import subprocess

from helpers.training import train


def test_tuning_searches_writes_a_table_and_goes_on(shards, tmp_path):
    def tune(trials: int) -> subprocess.CompletedProcess[str]:
        return train(
            "tune", "autoencoder-ssim", "--data", shards, "--folder", tmp_path, "--trials", trials,
            "--folds", 2, "--epochs", 1, "--side", 32, "--metric", "val_ssim", "--device", "cpu",
        )  # fmt: skip

    first = tune(2)
    assert first.returncode == 0, first.stderr
    again = tune(3)
    assert again.returncode == 0, again.stderr
    rows = list(csv.DictReader((tmp_path / "autoencoder-ssim.csv").open()))
    assert len(rows) == 3 == len({row["learning_rate"] for row in rows})
    scores = [float(row["val_ssim"]) for row in rows if row["state"] == "complete"]
    assert scores == sorted(scores, reverse=True) and 0 < scores[0] <= 1
    assert "cross-validation" in again.stdout and rows[0]["val_ssim"] in again.stdout
