// Arithmetic on whole tensors: fill, scale, the four binary operations with broadcasting, and stretching.
// One thread computes a pack of 16 bytes. Equal shapes and per-channel operands have their own kernels; any other
// broadcasting walks both operands by strides, decomposing an index once per pack.
// Bound by memory: each operand is read once and the result written once.
#include "columns.cuh"
#include "strided.cuh"

template <class T> __device__ void fill(T *y, i64 n, float value) {
	float v[Pack<T>::size];
#pragma unroll
	for (int k = 0; k < Pack<T>::size; k++) v[k] = value;
	place(y, v, first<T>(), n);
}

template <class T> __device__ void scale(T *y, const T *x, i64 n, float factor, float offset) {
	i64 i = first<T>();
	if (i >= n) return;
	float v[Pack<T>::size];
	fetch(v, x, i, n);
#pragma unroll
	for (int k = 0; k < Pack<T>::size; k++) v[k] = factor * v[k] + offset;
	place(y, v, i, n);
}

enum { ADD, SUB, MUL, DIV }; // device.BinaryKind

__device__ inline float binary_of(float a, float b, int op) {
	if (op == ADD) return a + b;
	if (op == SUB) return a - b;
	if (op == MUL) return a * b;
	return a / b;
}

template <class T> __device__ void binary(T *y, const T *a, const T *b, i64 n, int op) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= n) return;
	float u[V], v[V];
	fetch(u, a, i, n);
	fetch(v, b, i, n);
#pragma unroll
	for (int k = 0; k < V; k++) u[k] = binary_of(u[k], v[k], op);
	place(y, u, i, n);
}

// binary_columns: y[r,c] = a[r,c] op b[c], or b[c] op a[r,c].
template <class T, int V> __device__ void binary_columns(T *y, const T *a, const T *b, Columns g, int op, int swapped) {
	Place<V> at(g);
	if (!at.inside) return;
	float v[V];
	load(v, b + at.channel);
	for (i64 r = at.row; r < at.end; r += at.slots) {
		i64 i = r * g.channels + at.channel;
		float u[V];
		load(u, a + i);
#pragma unroll
		for (int k = 0; k < V; k++) u[k] = swapped ? binary_of(v[k], u[k], op) : binary_of(u[k], v[k], op);
		store(y + i, u);
	}
}

template <class T> __device__ void binary_strided(T *y, const T *a, const T *b, i64 n, Box box, int op) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= n) return;
	Cursor at;
	at.start(box, i);
	float v[V];
#pragma unroll
	for (int k = 0; k < V; k++) {
		v[k] = i + k < n ? binary_of(to_float(a[at.a]), to_float(b[at.b]), op) : 0.0f;
		at.next(box);
	}
	place(y, v, i, n);
}

template <class T> __device__ void broadcast(T *y, const T *x, i64 n, Box box, float factor) {
	const int V = Pack<T>::size;
	i64 i = first<T>();
	if (i >= n) return;
	Cursor at;
	at.start(box, i);
	float v[V];
#pragma unroll
	for (int k = 0; k < V; k++) {
		v[k] = i + k < n ? factor * to_float(x[at.a]) : 0.0f;
		at.next(box);
	}
	place(y, v, i, n);
}

#define ELEMENTWISE(T, S) \
	ENTRY fill_##S(T *y, i64 n, float value) { fill(y, n, value); } \
	ENTRY scale_##S(T *y, const T *x, i64 n, float factor, float offset) { scale(y, x, n, factor, offset); } \
	ENTRY binary_##S(T *y, const T *a, const T *b, i64 n, int op) { binary(y, a, b, n, op); } \
	ENTRY binary_columns_##S(T *y, const T *a, const T *b, Columns g, int op, int swapped) { binary_columns<T, 1>(y, a, b, g, op, swapped); } \
	ENTRY binary_columns_pack_##S(T *y, const T *a, const T *b, Columns g, int op, int swapped) { binary_columns<T, Pack<T>::size>(y, a, b, g, op, swapped); } \
	ENTRY binary_strided_##S(T *y, const T *a, const T *b, i64 n, Box box, int op) { binary_strided(y, a, b, n, box, op); } \
	ENTRY broadcast_##S(T *y, const T *x, i64 n, Box box, float factor) { broadcast(y, x, n, box, factor); }
EACH_TYPE(ELEMENTWISE)
