package tensorboard

import (
	"encoding/binary"
	"hash/crc32"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// record frames data as TensorFlow's TFRecord files do (tensorflow/core/lib/io/record_writer.h):
//
//	uint64 length, uint32 masked CRC of length, data, uint32 masked CRC of data
//
// all little-endian.
func record(data []byte) []byte {
	framed := make([]byte, 0, 16+len(data))
	framed = binary.LittleEndian.AppendUint64(framed, uint64(len(data)))
	framed = binary.LittleEndian.AppendUint32(framed, masked(framed))
	framed = append(framed, data...)
	return binary.LittleEndian.AppendUint32(framed, masked(data))
}

// masked is the CRC-32C of data, changed so that a CRC of data that holds CRCs is no weaker (tensorflow/core/lib/hash/crc32c.h).
func masked(data []byte) uint32 {
	crc := crc32.Checksum(data, castagnoli)
	return (crc>>15 | crc<<17) + 0xa282ead8
}
