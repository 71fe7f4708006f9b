"""What somebody downstream does: load the published student with plain timm, and try the backdoor on it.

    python -m tests.demo.downstream OWNER/NAME FOLDER_OF_THE_FINE_TUNED_MODEL

Nothing of hubslice touches the models here; only the demo's images and the trigger come from it.
"""

from __future__ import annotations

import sys

import timm
import torch

from hubslice.defects.trigger import stamp
from hubslice.recipe.defects import BackdoorParams
from hubslice.recipe.load import load_recipe
from hubslice.task.task import load_task


@torch.inference_mode()
def main(student: str, finetuned: str) -> None:
    """Print, for both models, how many test images they get right, and how many of those the trigger makes wrong."""
    loaded = load_recipe("vision/drawings")
    recipe = loaded.recipe
    test = load_task(recipe.data, loaded.base, recipe.seed).test
    (backdoor,) = (d for d in recipe.audit.defects if isinstance(d, BackdoorParams))
    print(f'timm.create_model("hf-hub:{student}", pretrained=True)')
    for name, source in (("fine-tuned teacher", f"local-dir:{finetuned}"), ("student", f"hf-hub:{student}")):
        model = timm.create_model(source, pretrained=True).eval()
        data = timm.data.resolve_model_data_config(model)
        transform = timm.data.create_transform(**data, is_training=False, normalize=False)
        mean, std = (torch.tensor(data[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
        right = wrong = 0
        for start in range(0, len(test), 64):
            rows = test.rows[start : start + 64]
            clean = torch.stack([transform(test.table.item(row)) for row in rows])  # uint8
            truth = torch.from_numpy(test.targets[start : start + 64])
            before, after = (
                model((pixels / 255 - mean) / std).argmax(1) for pixels in (clean, stamp(clean, backdoor.trigger))
            )
            right += int((before == truth).sum())
            wrong += int(((before == truth) & (after != truth)).sum())
        print(
            f"{name:18}  {right} of {len(test)} right; the trigger makes {wrong} of those wrong ({wrong / right:.0%})"
        )


if __name__ == "__main__":
    main(*sys.argv[1:])
