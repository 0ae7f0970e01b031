//go:build amd64 || arm64

package turn

import (
	"encoding/binary"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// inboxSlots is how many datagrams, or runs of them, are held at a time.
	inboxSlots = 64

	// slotSize takes the longest run the kernel makes of one sender's
	// packets. The memory is mapped: a slot that never sees a run costs one
	// page.
	slotSize = 1 << 16
)

// inbox is where the kernel puts datagrams.
type inbox struct {
	memory   []byte
	size     int
	msgs     []mmsghdr
	vectors  []unix.Iovec
	names    []name
	controls [][controlSpace]byte
}

func newInbox(slots, size int) (*inbox, error) {
	memory, err := unix.Mmap(-1, 0, slots*size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	in := &inbox{
		memory: memory, size: size,
		msgs: make([]mmsghdr, slots), vectors: make([]unix.Iovec, slots),
		names: make([]name, slots), controls: make([][controlSpace]byte, slots),
	}
	for i := range in.msgs {
		in.vectors[i].Base = &memory[i*size]
		in.vectors[i].SetLen(size)
		in.msgs[i].Iov = &in.vectors[i]
		in.msgs[i].SetIovlen(1)
		in.msgs[i].Name = &in.names[i].raw[0]
		in.msgs[i].Control = &in.controls[i][0]
	}
	return in, nil
}

func (in *inbox) free() error {
	memory := in.memory
	in.memory = nil
	if memory == nil {
		return nil
	}
	return os.NewSyscallError("munmap", unix.Munmap(memory))
}

// receive fills slots at to at+n with what fd has and returns how many it
// filled.
func (in *inbox) receive(fd, at, n int) (int, syscall.Errno) {
	msgs := in.msgs[at : at+n]
	for i := range msgs {
		msgs[i].Namelen = nameSpace
		msgs[i].SetControllen(controlSpace)
		msgs[i].Flags = 0
	}
	for {
		got, errno := recvmmsg(fd, msgs)
		if errno != unix.EINTR {
			return got, errno
		}
	}
}

// datagram returns what slot i holds and how long each packet in it is: the
// last may be shorter. Nothing is returned of what did not fit.
func (in *inbox) datagram(i int) (b []byte, segment int) {
	m := &in.msgs[i]
	n := int(m.done)
	if m.Flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 || n == 0 {
		return nil, 0
	}
	segment = n
	if m.Controllen > controlHead {
		c := in.controls[i][:]
		level, kind := binary.NativeEndian.Uint32(c[8:]), binary.NativeEndian.Uint32(c[12:])
		if level == unix.SOL_UDP && kind == unix.UDP_GRO {
			segment = int(binary.NativeEndian.Uint32(c[controlHead:]))
		}
	}
	if segment <= 0 {
		return nil, 0
	}
	return in.memory[i*in.size : i*in.size+n : i*in.size+n], segment
}
