"""Models as ONNX graphs: written, run and quantised."""
