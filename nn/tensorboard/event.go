package tensorboard

import (
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the fields of tensorflow/core/util/event.proto.
const (
	eventWallTime = 1
	eventStep     = 2
	eventVersion  = 3
	eventSummary  = 5
	eventSession  = 7

	sessionStatus = 1
	sessionStart  = 1 // a status

	summaryValue = 1
)

// fileVersion is what TensorBoard expects in the first event.
const fileVersion = "brain.Event:2"

// event is one with a content, which is a field of the Event message.
func event(now time.Time, step int, content []byte) []byte {
	var b []byte
	b = protowire.AppendTag(b, eventWallTime, protowire.Fixed64Type)
	b = protowire.AppendFixed64(b, math.Float64bits(float64(now.UnixNano())/1e9))
	b = protowire.AppendTag(b, eventStep, protowire.VarintType)
	b = protowire.AppendVarint(b, uint64(step))
	return append(b, content...)
}

func versionEvent(now time.Time) []byte { return event(now, 0, text(nil, eventVersion, fileVersion)) }

func startEvent(now time.Time, step int) []byte {
	return event(now, step, message(nil, eventSession, number(nil, sessionStatus, sessionStart)))
}

func summaryEvent(now time.Time, step int, values []Value) []byte {
	var summary []byte
	for _, v := range values {
		summary = message(summary, summaryValue, v.encoded)
	}
	return event(now, step, message(nil, eventSummary, summary))
}

// message appends a field that is a message, or bytes.
func message(b []byte, field protowire.Number, content []byte) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendBytes(b, content)
}

// text appends a field of text, which must be UTF-8: TensorBoard reads nothing of a file after a text that is not.
func text(b []byte, field protowire.Number, content string) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendString(b, strings.ToValidUTF8(content, "\uFFFD"))
}

func number(b []byte, field protowire.Number, value uint64) []byte {
	b = protowire.AppendTag(b, field, protowire.VarintType)
	return protowire.AppendVarint(b, value)
}
