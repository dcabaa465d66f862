//go:build vm

package vmtest

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
)

// The protocol of network block devices, as far as QEMU needs it: see
// https://github.com/NetworkBlockDevice/nbd/blob/master/doc/proto.md.
const (
	nbdMagic         = 0x4e42444d41474943 // NBDMAGIC
	nbdOptionMagic   = 0x49484156454f5054 // IHAVEOPT
	nbdReplyMagic    = 0x3e889045565a9
	nbdRequestMagic  = 0x25609513
	nbdResponseMagic = 0x67446698

	nbdFixedNewstyle, nbdNoZeroes = 1, 2

	nbdOptionAbort, nbdOptionInfo, nbdOptionGo = 2, 6, 7

	nbdReplyAck, nbdReplyInfo, nbdReplyUnsupported = 1, 3, 1<<31 + 1

	nbdHasFlags, nbdSendFlush, nbdSendFUA = 1, 4, 8

	nbdRead, nbdWrite, nbdDisconnect, nbdFlush = 0, 1, 2, 3

	nbdFUA = 1

	nbdInvalid = 22

	nbdMostBytes = 32 << 20
)

// serveDisk serves the disk to the one that connects, until it goes. The writes
// that it did not finish sending are not written.
func serveDisk(c net.Conn, d *disk) error {
	defer c.Close()
	r, w := bufio.NewReaderSize(c, 1<<16), bufio.NewWriterSize(c, 1<<16)
	if err := nbdHandshake(r, w, d); err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	buf := make([]byte, nbdMostBytes)
	for {
		var req struct {
			Magic       uint32
			Flags, Type uint16
			Handle      uint64
			Offset      uint64
			Length      uint32
		}
		if err := binary.Read(r, binary.BigEndian, &req); err != nil {
			return ended(err)
		}
		if req.Magic != nbdRequestMagic || req.Type == nbdRead && req.Length > nbdMostBytes || req.Type == nbdWrite && req.Length > nbdMostBytes {
			return fmt.Errorf("bad request %+v", req)
		}
		data := buf[:0]
		var code uint32
		switch req.Type {
		case nbdRead:
			data = buf[:req.Length]
			if _, err := d.ReadAt(data, int64(req.Offset)); err != nil {
				return err
			}
		case nbdWrite:
			if _, err := io.ReadFull(r, buf[:req.Length]); err != nil {
				return ended(err)
			}
			if _, err := d.WriteAt(buf[:req.Length], int64(req.Offset)); err != nil {
				return err
			}
			if req.Flags&nbdFUA != 0 {
				// More than was asked: a disk may do so.
				d.flush()
			}
		case nbdFlush:
			d.flush()
		case nbdDisconnect:
			return nil
		default:
			code = nbdInvalid
		}
		_ = binary.Write(w, binary.BigEndian, struct {
			Magic, Error uint32
			Handle       uint64
		}{nbdResponseMagic, code, req.Handle})
		_, _ = w.Write(data)
		if err := w.Flush(); err != nil {
			return ended(err)
		}
	}
}

// ended returns nil for an emulator that was killed.
func ended(err error) error {
	var op *net.OpError
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &op) {
		return nil
	}
	return err
}

func nbdHandshake(r io.Reader, w *bufio.Writer, d *disk) error {
	be := binary.BigEndian
	_ = binary.Write(w, be, struct {
		Magic, Option uint64
		Flags         uint16
	}{nbdMagic, nbdOptionMagic, nbdFixedNewstyle | nbdNoZeroes})
	if err := w.Flush(); err != nil {
		return err
	}
	var flags uint32
	if err := binary.Read(r, be, &flags); err != nil {
		return err
	}
	for {
		var opt struct {
			Magic          uint64
			Option, Length uint32
		}
		if err := binary.Read(r, be, &opt); err != nil {
			return err
		}
		if opt.Magic != nbdOptionMagic || opt.Length > 1<<16 {
			return fmt.Errorf("bad option %+v", opt)
		}
		if _, err := io.CopyN(io.Discard, r, int64(opt.Length)); err != nil {
			return err
		}
		reply := func(kind uint32, data []byte) {
			_ = binary.Write(w, be, struct {
				Magic                uint64
				Option, Kind, Length uint32
			}{nbdReplyMagic, opt.Option, kind, uint32(len(data))})
			_, _ = w.Write(data)
		}
		switch opt.Option {
		case nbdOptionGo, nbdOptionInfo:
			info := be.AppendUint16(nil, 0) // NBD_INFO_EXPORT
			info = be.AppendUint64(info, uint64(d.size))
			info = be.AppendUint16(info, nbdHasFlags|nbdSendFlush|nbdSendFUA)
			reply(nbdReplyInfo, info)
			reply(nbdReplyAck, nil)
		case nbdOptionAbort:
			reply(nbdReplyAck, nil)
			_ = w.Flush()
			return io.EOF
		default:
			reply(nbdReplyUnsupported, nil)
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if opt.Option == nbdOptionGo {
			return nil
		}
	}
}
