"""A training's network as a folder: weights, plain torch, ONNX, 8-bit integers, torch.export and a model card."""
