package conference

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"
)

// Bridge is a room's name in nine digits, for the telephone side of conference
// servers that know rooms by number, such as BigBlueButton's voiceBridge. Both
// the backend that makes the room and the leg that calls it reckon it from the
// name, which nobody outside knows. It never begins with 0.
func Bridge(room string) string {
	sum := sha256.Sum256([]byte("bridge:" + room))
	return strconv.FormatUint(100_000_000+binary.BigEndian.Uint64(sum[:])%900_000_000, 10)
}
