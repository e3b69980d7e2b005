#!/usr/bin/env python3
"""mlx_jit_cache.py LIBMLX INCLUDE CUDA_INCLUDE NVRTC_COMPILE OUT [--arch sm_90a] [--list FILE]

MLX's CUDA build compiles some kernels at first use with NVRTC; the quantized matrix products take 20 to 40 s each. This
compiles them ahead on a machine without a GPU and writes MLX's own cache (MLX_PTX_CACHE_DIR): NAME.ptx (a cubin) and
NAME.txt (expression, mangled name). Sources come out of the library itself, so that they are those of its version.
INCLUDE: where cute/, cutlass/ and cccl/ of the wheel lie. FILE: one "bits group dtype [mode] [tile,tile]" a line, as in
"4 64 float32 affine 16,32"; default "4 64 bfloat16". Tiles are of rows: 16, 32, 64.
"""
import argparse, concurrent.futures, os, re, subprocess

p = argparse.ArgumentParser()
for name in ("libmlx", "include", "cuda_include", "nvrtc_compile", "out"):
    p.add_argument(name)
p.add_argument("--arch", default="sm_90a")
p.add_argument("--list")
p.add_argument("--jobs", type=int, default=os.cpu_count())
p.add_argument("--dry-run", action="store_true")
a = p.parse_args()
os.makedirs(os.path.join(a.out, "src"), exist_ok=True)

run = lambda *c: subprocess.run(c, capture_output=True, text=True, check=True).stdout
sections = {int(m[1]): (int(m[2], 16), int(m[3], 16)) for m in
            re.finditer(r"\[\s*(\d+)\]\s+\S+\s+\S+\s+([0-9a-f]+)\s+([0-9a-f]+)", run("readelf", "-SW", a.libmlx))}
data = open(a.libmlx, "rb").read()
sources = {}
for line in run("readelf", "-sW", "-C", a.libmlx).splitlines():
    f = line.split()
    if len(f) >= 8 and "jit_source_" in f[7]:
        address, offset = sections[int(f[6])]
        start = int(f[1], 16) - address + offset
        sources[f[7].split("jit_source_")[1]] = data[start:start + int(f[2], 0)].rstrip(b"\0")
for name, text in sources.items():
    open(os.path.join(a.out, "src", name), "wb").write(text)
headers = []
for h in ("atomic_ops.cuh binary_ops.cuh cast_op.cuh config.h complex.cuh cute_dequant.cuh fp16_math.cuh gemm_sm70.cuh hadamard.cuh "
          "indexing.cuh qmm_naive.cuh qmm_sm80.cuh qmm_sm90.cuh scatter_ops.cuh unary_ops.cuh ternary_ops.cuh utils.cuh").split():
    headers += ["--header", f"mlx/backend/cuda/device/{h}={a.out}/src/{h.split('.')[0]}"]
common = ["--device-as-default-execution-space", f"--include-path={a.include}", f"--include-path={a.include}/cccl",
          f"--include-path={a.cuda_include}"]

CUTLASS = {"bfloat16": "cutlass::bfloat16_t", "float16": "cutlass::half_t", "float32": "float"}
CUDA = {"bfloat16": "__nv_bfloat16", "float16": "__half", "float32": "float", "uint32": "uint32_t", "int32": "int32_t"}
shape = lambda m, n, k: f"cute::Shape<cute::Int<{m}>, cute::Int<{n}>, cute::Int<{k}>>"
jobs = []  # module, source, expressions
formats = [l.split() for l in open(a.list)] if a.list else [["4", "64", "bfloat16"]]
FLOATS = {"mxfp4": ("cutlass::float_e2m1_t", "cutlass::float_ue8m0_t"), "mxfp8": ("cutlass::float_e4m3_t", "cutlass::float_ue8m0_t"),
          "nvfp4": ("cutlass::float_e2m1_t", "cutlass::float_e4m3_t")}
for bits, group, dtype, *rest in formats:
    mode = rest[0] if rest else "affine"
    x, k = CUTLASS[dtype], max(64, int(group))
    quant, scale = FLOATS.get(mode, ("uint8_t" if bits == "8" else f"cutlass::uint{bits}b_t", x))
    for m in map(int, rest[1].split(",")) if len(rest) > 1 else (16, 32, 64):
        if dtype != "float32" and bits in "48":
            jobs.append((f"qmm_sm80_tn_{dtype}_m{m}_b{bits}_g{group}_{mode}", "qmm_sm80",
                         [f"mlx::core::cu::qmm_sm80_kernel<{group}, {x}, {quant}, {scale}, {shape(m, 128, k)}>"]))
            if mode != "affine":  # MLX 0.32.4 does not ask for affine ones
                jobs.append((f"gather_qmm_rhs_sm80_tn_{dtype}_m{m}_b{bits}_g{group}_{mode}", "qmm_sm80",
                             [f"mlx::core::cu::qmm_sm80_rhs_kernel<{group}, {x}, {quant}, {scale}, {shape(m, 128, k)}>"]))
        n = 128 if dtype != "float32" and int(group) <= 64 else 64
        for transpose in ("true", "false"):
            jobs.append((f"qmm_naive_t{'n' if transpose == 'true' else 't'}_aligned_{dtype}_m{m}_b{bits}_g{group}_{mode}", "qmm_naive",
                         [f"mlx::core::cu::qmm_naive_kernel<{group}, {transpose}, false, true, {x}, {quant}, {scale}, {shape(m, n, k)}>"]))
    if mode == "affine" and dtype == "float32" and group in ("64", "128"):  # where a row is one group: golden cases
        for n in (16, 32, 64, 128, 256):
            tile = shape(128, n, 64)
            jobs.append((f"qmm_sm90_tn_{dtype}_n{n}_b{bits}_g{group}_affine", "qmm_sm90",
                         [f"cutlass::device_kernel<mlx::core::cu::qmm_sm90_kernel_t<{group}, {x}, {quant}, {tile}>>"]))
for dtype in ("bfloat16", "float32", "uint32", "int32"):
    for index in ("int32", "uint32"):
        jobs.append((f"gather_{dtype}_{index}_1", "gather",
                     [f"mlx::core::cu::gather<{CUDA[dtype]}, {CUDA[index]}, 1, {nd}, {size}>" for nd in range(11) for size in ("int32_t", "int64_t")]))


def build(job):
    module, source, names = job
    out = os.path.join(a.out, module)
    if a.dry_run or os.path.exists(out + ".ptx"):
        return module
    done = subprocess.run([a.nvrtc_compile, f"{a.out}/src/{source}", out + ".cubin", a.arch, *headers, *common,
                           *[v for n in names for v in ("--name", n)]], capture_output=True, text=True)
    if done.returncode != 0:
        return f"{module} FAILED: {done.stderr.strip()[-300:]}"
    os.rename(out + ".cubin", out + ".ptx")
    return done.stdout.strip()


with concurrent.futures.ThreadPoolExecutor(a.jobs) as pool:
    for line in pool.map(build, jobs):
        print(line, flush=True)
