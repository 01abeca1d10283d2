import sys, tempfile, statistics
from pathlib import Path
from tests.bench.ground import *
from tests.bench.contenders import *
rounds=int(sys.argv[1]); secs=float(sys.argv[2]); threads=int(sys.argv[3])
keys=sys.argv[4:] 
with tempfile.TemporaryDirectory() as d, Ground(Path(d), 400) as g:
    rs=[g.start(c, threads=threads) for c in EVERYBODY if not keys or c.key in keys]
    out={r.contender.key:[] for r in rs}
    for r in rs: r.measure(Plan(seconds=2, strict=False))
    for i in range(rounds):
        for r in rs:
            b=g.stub.cpu()
            s=r.measure(Plan(seconds=secs, strict=False))
            out[r.contender.key].append(s)
            print(r.contender.key, round(s.seen.rate), s.seen, f"{s.cpu_per_send*1e6:.0f} us", f"stub {(g.stub.cpu()-b)/s.seen.seconds:.2f}", flush=True)
    for k,v in out.items(): print(k, statistics.median(s.seen.rate for s in v))
