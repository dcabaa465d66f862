package netfilter

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// ruleHandles returns the place of each rule of nf_tables in its chain, from 1.
func ruleHandles(ctx context.Context) (map[owned]map[uint64]int, error) {
	nl, err := dial()
	if err != nil {
		return nil, err
	}
	defer nl.Close()
	for range again(ctx) {
		msgs, err := nl.dump(unix.NFT_MSG_GETRULE, unix.AF_UNSPEC, nil)
		if errors.Is(err, errInterrupted) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the rules: %w", asAbsent(err))
		}
		all := map[owned]map[uint64]int{}
		for _, m := range msgs {
			k := owned{family: families[m.Data[0]]}
			var handle uint64
			for typ, v := range attributes(m.Data[4:]) {
				switch typ {
				case unix.NFTA_RULE_TABLE:
					k.table = cstring(v)
				case unix.NFTA_RULE_CHAIN:
					k.name = cstring(v)
				case unix.NFTA_RULE_HANDLE:
					if len(v) == 8 {
						handle = binary.BigEndian.Uint64(v)
					}
				}
			}
			if all[k] == nil {
				all[k] = map[uint64]int{}
			}
			all[k][handle] = len(all[k]) + 1
		}
		return all, nil
	}
	return nil, unsettled(ctx)
}
