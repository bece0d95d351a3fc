package spool

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// A frame is a record on disk: 4 bytes length of the payload, 4 bytes CRC-32C
// of the payload, both big-endian, then the payload, never empty: a run of
// zeros, as a power cut leaves them, is no frame.
const headBytes = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errCorrupt = errors.New("corrupt record")

func appendFrame(dst, payload []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(payload, castagnoli))
	return append(dst, payload...)
}

// payloadLen reads a head; ok is false when no frame begins here.
func payloadLen(head []byte) (n int, ok bool) {
	n = int(binary.BigEndian.Uint32(head))
	return n, n > 0 && n <= MaxRecordBytes+maxFileName
}

// parseFrame returns the payload of a whole frame.
func parseFrame(frame []byte) ([]byte, error) {
	if len(frame) < headBytes {
		return nil, errCorrupt
	}
	n, ok := payloadLen(frame)
	if !ok || len(frame) != headBytes+n {
		return nil, errCorrupt
	}
	payload := frame[headBytes:]
	if crc32.Checksum(payload, castagnoli) != binary.BigEndian.Uint32(frame[4:]) {
		return nil, errCorrupt
	}
	return payload, nil
}

// maxFileName bounds what a record of evidence needs beside its body.
const maxFileName = 8 << 10

// appendEvidence writes a record of evidence as a payload: length of the file
// name, file name, body.
func appendEvidence(dst []byte, r Record) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(r.File)))
	return append(append(dst, r.File...), r.Body...)
}

func parseEvidence(payload []byte) (Record, error) {
	n, k := binary.Uvarint(payload)
	if k <= 0 || n > maxFileName || uint64(len(payload)-k) < n {
		return Record{}, errCorrupt
	}
	rest := payload[k:]
	return Record{Class: Evidence, File: string(rest[:n]), Body: rest[n:]}, nil
}
