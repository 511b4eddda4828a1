package launch

import (
	"testing"

	"github.com/stretchr/testify/require"
	"gorgonia.org/tensor"

	"fovea/device"
	"fovea/device/philox"
	"fovea/device/reference"
)

// TestTraffic holds each kernel to within a tenth of the bytes that its operation cannot do without, on a layer of an
// ordinary network. Bytes are counted by the emulator: distinct 32-byte sectors per block.
func TestTraffic(t *testing.T) {
	h := startEmulated(t)
	for _, kind := range []Type{F32, BF16} {
		h.reset()
		c := &check{t, h, reference.New(), kind, philox.NewSource(philox.Stream{Seed: 7})}
		shape := tensor.Shape{2, 64, 56, 56}
		half, double := tensor.Shape{2, 64, 28, 28}, tensor.Shape{2, 64, 112, 112}
		x, dy, y, z, wide := c.in(shape...), c.in(shape...), c.out(shape...), c.out(shape...), c.out(double...)
		pooled, dpooled := c.out(half...), c.in(half...)
		flat, dflat, labels := c.in(256, 1000), c.out(256, 1000), c.labels(1000, 256)
		w, folded := c.param(64, 64, 3, 3), c.out(64, 64, 3, 3)
		scale, mean, inv, ds, db, loss := c.param(64), c.param(64), c.param(64), c.stat(64), c.stat(64), c.stat()
		channels := c.in(1, 64, 1, 1)
		space := h.alloc(max(BatchNormSpace(shape, kind), LossSpace, SumChannelsSpace(shape, kind), ReduceSumSpace(channels.Shape, shape)))
		n, size := x.Size(), kind.Bytes()
		given := Statistics{Mean: mean.at, Spread: inv.at}
		relu := device.ActivationSpec{Kind: device.ReLU}
		pool := device.PoolSpec{Window: [2]int{3, 3}, Stride: [2]int{2, 2}, Padding: device.Pad(1)}.Normal()
		lrn := device.LRNSpec{Size: 5, Alpha: 1e-4, Beta: 0.75, K: 2}
		one := func(l Launch, err error) []Launch { require.NoError(t, err); return []Launch{l} }
		many := func(l []Launch, err error) []Launch { require.NoError(t, err); return l }
		single := func(l Launch) []Launch { return []Launch{l} }
		zero := make([]int, 4)
		for _, r := range []struct {
			name     string
			launches []Launch
			moved    int // elements that must be read or written
		}{
			{"fill", single(Fill(y.at, n, 0, kind)), n},
			{"scale", single(Scale(y.at, x.at, n, 2, 1, kind)), 2 * n},
			{"binary", one(Binary(y.at, x.at, dy.at, shape, shape, shape, device.Add, kind)), 3 * n},
			{"binary of channels", one(Binary(y.at, x.at, channels.at, shape, shape, channels.Shape, device.Mul, kind)), 2 * n},
			{"broadcast", one(Broadcast(y.at, channels.at, shape, channels.Shape, 1, kind)), n},
			{"reduce to channels", many(ReduceSum(channels.at, x.at, space, channels.Shape, shape, 1, kind, kind)), n},
			{"add_bias", single(AddBias(y.at, x.at, scale.at, shape, relu, kind)), 2 * n},
			{"sum_channels", many(SumChannels(db.at, x.at, space, shape, kind)), n},
			{"relu", single(Activate(y.at, x.at, n, relu, kind)), 2 * n},
			{"gradient of relu", single(ActivateBackward(z.at, dy.at, x.at, y.at, n, relu, kind)), 3 * n},
			{"dropout", single(Dropout(y.at, x.at, shape, 0.5, philox.Stream{}, 0, kind)), 2 * n},
			{"softmax", single(Softmax(dflat.at, flat.at, flat.Shape, false, kind)), 2 * flat.Size()},
			{"cross_entropy and gradient", CrossEntropy(loss.at, dflat.at, flat.at, labels.at, space, flat.Shape, kind), 2 * flat.Size()},
			{"to channels last", single(ToChannelsLast(y.at, x.at, shape, kind, kind)), 2 * n},
			{"from channels last", single(FromChannelsLast(y.at, x.at, shape, kind, kind)), 2 * n},
			{"copy_region", one(CopyRegion(y.at, shape, zero, x.at, shape, zero, shape, size)), 2 * n},
			{"upsample", one(Upsample(wide.at, x.at, double, shape, device.UpsampleSpec{Bilinear: true}, kind)), 5 * n},
			{"gradient of upsample", one(UpsampleBackward(y.at, wide.at, double, shape, device.UpsampleSpec{Bilinear: true}, kind)), 5 * n},
			{"pool", single(Pool(pooled.at, x.at, half, shape, pool, kind)), n + n/4},
			{"gradient of pool", single(PoolBackward(y.at, dpooled.at, x.at, pooled.at, half, shape, pool, kind)), 2*n + n/2},
			{"batch_norm statistics", BatchNormStatistics(mean.at, inv.at, 0, 0, x.at, space, shape, device.BatchNormSpec{Epsilon: 1e-5}, kind), n},
			{"batch_norm + residual, relu", single(BatchNormApply(y.at, x.at, dy.at, given, scale.at, scale.at, shape, true, kind)), 3 * n},
			{"gradients of batch_norm", BatchNormGradients(ds.at, db.at, dy.at, x.at, y.at, space, given, shape, kind), 3 * n},
			{"dx of batch_norm", single(BatchNormInput(y.at, z.at, dy.at, x.at, y.at, given, scale.at, ds.at, db.at, shape, kind)), 5 * n},
			{"batch_norm in weights", single(BatchNormFold(folded.at, db.at, w.at, scale.at, given, scale.at, scale.at, w.Shape, kind)), w.Size() + w.Size()*4/size},
			{"lrn", single(LRN(y.at, x.at, shape, lrn, kind)), 2 * n},
			{"gradient of lrn", single(LRNBackward(y.at, dy.at, x.at, shape, lrn, kind)), 3 * n},
			{"contrast_norm", single(ContrastNorm(y.at, x.at, shape, lrn, kind)), 2 * n},
			{"gradient of contrast_norm", single(ContrastNormBackward(y.at, dy.at, x.at, shape, lrn, kind)), 3 * n},
			{"squared_error", ElementLoss(loss.at, x.at, dy.at, space, n, device.SquaredError, kind), 2 * n},
		} {
			c.run(r.launches...)
			least := r.moved * size
			ratio := float64(h.readBytes+h.writtenBytes) / float64(least)
			t.Logf("%-28s %s %.3f", r.name, kind, ratio)
			require.LessOrEqual(t, ratio, 1.1, "%s %s read %d and wrote %d bytes, %d would do", r.name, kind, h.readBytes, h.writtenBytes, least)
			// (Dropout need not read a sector of which nothing is kept.)
			require.GreaterOrEqual(t, ratio, 0.99, "%s %s read %d and wrote %d bytes, but %d are needed", r.name, kind, h.readBytes, h.writtenBytes, least)
		}
	}
}

func TestOptimiserTraffic(t *testing.T) {
	h := startEmulated(t)
	h.reset()
	const n = 200_000
	p := Parameter{Count: n}
	for _, at := range []*uint64{&p.Value, &p.Grad, &p.State0, &p.State1} {
		*at = h.alloc(4 * n)
	}
	p.Copy = h.alloc(2 * n)
	table, owners := Table([]Parameter{p})
	c := &check{t: t, h: h}
	at, ownersAt := c.put(table), h.alloc(4*len(owners))
	for i, o := range owners {
		copy(h.bytes(ownersAt, 4*len(owners))[4*i:], arg(o).bytes)
	}
	for _, r := range []struct {
		launch Launch
		least  int
	}{
		{SGD(at, ownersAt, len(owners), 0, 0, device.SGDSpec{Rate: 1, Momentum: 0.9}), n * (3*4 + 2*4 + 2)},
		{RMSProp(at, ownersAt, len(owners), 0, 0, device.RMSPropSpec{Rate: 1}), n * (3*4 + 2*4 + 2)},
		{Adam(at, ownersAt, len(owners), 0, 0, device.AdamSpec{Rate: 1, Step: 1}), n * (4*4 + 3*4 + 2)},
	} {
		c.run(r.launch)
		require.InEpsilon(t, r.least, h.readBytes+h.writtenBytes, 0.02, r.launch.Kernel)
	}
}
