# ONNX Runtime: inference of the network that PyTorch exports, on processors.


def prepare(job):
    import tempfile

    import numpy
    import onnxruntime

    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "network.onnx")
        told = os.path.join(folder, "told")
        child = os.fork()  # the export ends with its process: memory and threads are the runtime's alone afterwards
        if child == 0:
            try:
                said = {"parameters": export(job, path)}
            except BaseException as e:
                said = {"error": f"export: {type(e).__name__}: {e}"}
            with open(told, "w") as f:
                json.dump(said, f)
            os._exit(0)
        os.waitpid(child, 0)
        with open(told) as f:
            said = json.load(f)
        if "error" in said:
            raise RuntimeError(said["error"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = job["threads"], 1
        options.log_severity_level = 3
        # Its threads would go on spinning while the other side works.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    x = numpy.random.default_rng(0).standard_normal((job["batch"], *job["sample"]), dtype=numpy.float32)

    def run(n):
        for _ in range(n):
            session.run(None, {"x": x})

    return onnxruntime.__version__, said["parameters"], run


def export(job, path):
    import warnings

    import torch

    warnings.simplefilter("ignore")
    model = build(job["model"], job["classes"]).eval()
    x = torch.zeros(job["batch"], *job["sample"])
    torch.onnx.export(model, (x,), path, dynamo=False, input_names=["x"], output_names=["y"], opset_version=17)
    return sum(p.numel() for p in model.parameters())


serve(["numpy", "onnxruntime", "onnx", "torch"], prepare)
