// The bias of a layer, with its activation in the same pass. Its gradient is a sum over channels: see reduce.cu.
// Channels-last tensors go by columns, each thread keeping the bias of its channels; others walk [outer, channels, inner].
// Bound by memory: x is read once and y written once.
#include "activate.cuh"
#include "columns.cuh"

template <class T, int V> __device__ void add_bias_columns(T *y, const T *x, const float *bias, Columns g, int kind, float alpha) {
	Place<V> at(g);
	if (!at.inside) return;
	float b[V];
	load(b, bias + at.channel);
	for (i64 r = at.row; r < at.end; r += at.slots) {
		i64 i = r * g.channels + at.channel;
		float v[V];
		load(v, x + i);
#pragma unroll
		for (int k = 0; k < V; k++) v[k] = activation_of(v[k] + b[k], kind, alpha);
		store(y + i, v);
	}
}

template <class T> __device__ void add_bias(T *y, const T *x, const float *bias, Channels g, int kind, float alpha) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= g.elements) return;
	Walk at(g, i);
	float v[V];
	fetch(v, x, i, g.elements);
#pragma unroll
	for (int k = 0; k < V; k++) {
		v[k] = activation_of(v[k] + bias[at.channel], kind, alpha);
		at.next(g);
	}
	place(y, v, i, g.elements);
}

#define LINEAR(T, S) \
	ENTRY add_bias_columns_##S(T *y, const T *x, const float *bias, Columns g, int kind, float alpha) { add_bias_columns<T, 1>(y, x, bias, g, kind, alpha); } \
	ENTRY add_bias_columns_pack_##S(T *y, const T *x, const float *bias, Columns g, int kind, float alpha) { add_bias_columns<T, Pack<T>::size>(y, x, bias, g, kind, alpha); } \
	ENTRY add_bias_##S(T *y, const T *x, const float *bias, Channels g, int kind, float alpha) { add_bias(y, x, bias, g, kind, alpha); }
EACH_TYPE(LINEAR)
