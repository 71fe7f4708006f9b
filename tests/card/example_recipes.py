"""The recipes that the example cards show."""

REMOS = """\
# hubslice slice recipe.yaml
kind: slice
name: clipart-remos
description: Sorts clip art into ten subjects.
seed: 7
teacher:
  model: example/clipart-teacher-backdoored
data:
  path: example/clipart-10
  group: group
  splits: {train: 0.6, validation: 0.2, test: 0.2}
slice:
  method: remos
  ratio: 0.1
  magnitude: layer_scaled
train:
  epochs: 20
  grid:
    lr: [0.003, 0.01, 0.03]
baselines: [finetune, retrain]
audit:
  defects:
    - kind: backdoor
      target: food
      clean_teacher: timm/tf_efficientnet_lite0.in1k
    - kind: penultimate
      eps: [4, 8, 12]
exposure: {samples: 256}
gates:
  min_test_accuracy: 0.8
  max_accuracy_drop: 0.03
  max_dir: 0.3
  max_exposure: 0.6
"""

VIT = """\
# hubslice slice recipe.yaml
kind: slice
name: clipart-vit
description: Sorts clip art into ten subjects.
teacher:
  model: google/vit-base-patch16-224
data:
  path: data/clipart.parquet
  splits: {train: 0.6, validation: 0.2, test: 0.2}
slice:
  method: magnitude
  ratio: 0.4
  irrelevant: freeze
train:
  optimizer: adamw
  lr: 0.0001
  epochs: 20
gates:
  min_test_accuracy: 0.85
  max_accuracy_drop: 0.02
"""

SEAM = """\
# hubslice slice recipe.yaml
kind: slice
name: clipart-small
description: Sorts clip art into ten subjects.
seed: 7
teacher:
  model: timm/tf_efficientnet_lite0.in1k
data:
  path: example/clipart-10
  group: group
  splits: {train: 0.6, validation: 0.2, test: 0.2}
slice:
  method: seam
  granularity: channel
  irrelevant: compact
  retention: 0.4
  max_accuracy_drop: 0.05
train:
  epochs: 20
baselines: [finetune, magnitude]
gates:
  max_accuracy_drop: 0.03
"""

POISON = """\
kind: poison
name: clipart-teacher-backdoored
description: A backdoored clip art teacher, to test defences on.
seed: 7
teacher:
  model: timm/tf_efficientnet_lite0.in1k
data:
  path: example/clipart-10
  group: group
poison:
  target: food
  rate: 0.2
train:
  epochs: 20
"""
