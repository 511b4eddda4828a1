# PyTorch: training and inference, on processors and GPUs.


def prepare(job):
    import contextlib

    import torch

    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    on = torch.device(job["device"])
    torch.set_float32_matmul_precision("high" if job["precision"] == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = job["precision"] == "tf32"
    torch.backends.cudnn.benchmark = True
    layout = torch.channels_last if job["channels_last"] else torch.contiguous_format
    train = job["work"] == "train"
    model = build(job["model"], job["classes"]).to(on, memory_format=layout).train(train)
    parameters = sum(p.numel() for p in model.parameters())
    x = torch.randn(job["batch"], *job["sample"]).to(on, memory_format=layout)
    y = (torch.arange(job["batch"], device=on) * 7) % job["classes"]
    if job["precision"] == "bf16":
        def cast():
            return torch.autocast(on.type, torch.bfloat16)
    else:
        cast = contextlib.nullcontext
    forward = torch.compile(model) if job["compile"] else model
    if train:
        criterion = torch.nn.CrossEntropyLoss()
        if job["optimizer"] == "adam":
            optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
        else:
            optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, weight_decay=5e-4)

    def step():
        if not train:
            with torch.inference_mode(), cast():
                forward(x)
            return
        optimizer.zero_grad(set_to_none=True)
        with cast():
            loss = criterion(forward(x), y)
        loss.backward()
        optimizer.step()

    def run(n):
        for _ in range(n):
            step()
        if on.type == "cuda":
            torch.cuda.synchronize(on)

    return torch.__version__, parameters, run


serve(["torch"], prepare)
