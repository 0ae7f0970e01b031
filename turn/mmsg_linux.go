//go:build amd64 || arm64

package turn

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	nameSpace    = unix.SizeofSockaddrInet6
	controlHead  = unix.SizeofCmsghdr
	controlSpace = controlHead + 8
)

// mmsghdr is the kernel's struct of that name.
type mmsghdr struct {
	unix.Msghdr
	done uint32 // bytes received or sent
}

// name is a socket address as the kernel wants it. size is 0 where nothing
// is named.
type name struct {
	raw  [nameSpace]byte
	size uint32
}

// nameOf writes a; an IPv4-mapped address stays one, for sockets of both
// families.
func nameOf(a netip.AddrPort) name {
	var n name
	binary.BigEndian.PutUint16(n.raw[2:], a.Port())
	if a.Addr().Is4() {
		n.size = unix.SizeofSockaddrInet4
		binary.NativeEndian.PutUint16(n.raw[:], unix.AF_INET)
		ip := a.Addr().As4()
		copy(n.raw[4:], ip[:])
		return n
	}
	n.size = unix.SizeofSockaddrInet6
	binary.NativeEndian.PutUint16(n.raw[:], unix.AF_INET6)
	ip := a.Addr().As16()
	copy(n.raw[8:], ip[:])
	if zone := a.Addr().Zone(); zone != "" {
		scope, _ := strconv.ParseUint(zone, 10, 32) // addrPort wrote it
		binary.NativeEndian.PutUint32(n.raw[24:], uint32(scope))
	}
	return n
}

// addrPort reads what the kernel wrote.
func (n *name) addrPort() netip.AddrPort {
	port := binary.BigEndian.Uint16(n.raw[2:])
	switch binary.NativeEndian.Uint16(n.raw[:]) {
	case unix.AF_INET:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte(n.raw[4:])), port)
	case unix.AF_INET6:
		ip := netip.AddrFrom16([16]byte(n.raw[8:]))
		if scope := binary.NativeEndian.Uint32(n.raw[24:]); scope != 0 {
			ip = ip.WithZone(strconv.FormatUint(uint64(scope), 10))
		}
		return netip.AddrPortFrom(ip, port)
	}
	return netip.AddrPort{}
}

// kernel are the calls that move packets; a test puts failing ones here.
type kernel struct {
	sendmmsg func(fd int, m []mmsghdr) (int, syscall.Errno)
	sendto   func(fd int, b []byte, to *name) syscall.Errno
}

func linux() kernel { return kernel{sendmmsg, sendto} }

// None of these calls blocks: every descriptor is O_NONBLOCK.

func recvmmsg(fd int, m []mmsghdr) (int, syscall.Errno) {
	if len(m) == 0 {
		return 0, 0
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), 0, 0, 0) //nolint:gosec // G103: the kernel fills m
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func sendmmsg(fd int, m []mmsghdr) (int, syscall.Errno) {
	if len(m) == 0 {
		return 0, 0
	}
	n, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&m[0])), uintptr(len(m)), 0, 0, 0) //nolint:gosec // G103: the kernel reads m
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

func sendto(fd int, b []byte, to *name) syscall.Errno {
	var at *byte
	if to.size > 0 {
		at = &to.raw[0]
	}
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), 0, uintptr(unsafe.Pointer(at)), uintptr(to.size)) //nolint:gosec // G103: the kernel reads both
	return errno
}

// batches reports whether this kernel has the calls at all: a sandbox may
// not.
func batches() error {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	in, err := newInbox(1, maxPacket)
	if err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	var errs []error
	if _, errno := in.receive(fd, 0, 1); errno != unix.EAGAIN {
		errs = append(errs, os.NewSyscallError("recvmmsg", errno))
	}
	m := make([]mmsghdr, 1)
	if _, errno := sendmmsg(fd, m); errno != unix.ENOTCONN {
		errs = append(errs, os.NewSyscallError("sendmmsg", errno))
	}
	return errors.Join(append(errs, in.free(), os.NewSyscallError("close", unix.Close(fd)))...)
}

// segments asks a socket of family to take and give runs of packets as one
// (UDP GSO and GRO), and reports which of both it does.
func segments(fd int) (gives, takes bool) {
	gives = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_GRO, 1) == nil
	takes = unix.SetsockoptInt(fd, unix.SOL_UDP, unix.UDP_SEGMENT, 0) == nil
	return gives, takes
}
