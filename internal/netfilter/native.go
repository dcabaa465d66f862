package netfilter

import (
	"encoding/json"
	"fmt"

	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// maxListed is up to how many native tables are listed one by one.
const maxListed = 8

// planNative returns the runs that print nft's own tables, each as JSON and as
// text. Beside tables of iptables programs each table has runs of its own: nft
// 1.0.6 needs a second for 20,000 rules of iptables' that nobody wants from
// it. (One run for several tables does not work: its cache holds the last.)
func planNative(tables []table) ([]job, error) {
	var own []table
	for _, t := range tables {
		if t.owner == native {
			own = append(own, t)
		}
	}
	if len(own) == 0 {
		return nil, nil
	}
	path, err := lookup("nft")
	if err != nil {
		return nil, err
	}
	var jobs []job
	list := func(what ...string) {
		for _, listing := range []bool{false, true} {
			args := append([]string{map[bool]string{false: "-j", true: "-s"}[listing], "list"}, what...)
			jobs = append(jobs, job{kind: ruleset.NFTables, backend: ruleset.NFT, path: path, listing: listing, args: args})
		}
	}
	if len(own) == len(tables) || len(own) > maxListed {
		list("ruleset")
		return jobs, nil
	}
	for _, t := range own {
		// nft reads its arguments as one script: checkNames has seen the name.
		list("table", string(t.family), t.name)
	}
	return jobs, nil
}

// nativeDump makes one dump of nft's documents and listings.
func nativeDump(documents [][]byte, listing []byte) (ruleset.Dump, error) {
	d := ruleset.Dump{Kind: ruleset.NFTables, Backend: ruleset.NFT}
	var all struct {
		Objects []json.RawMessage `json:"nftables"`
	}
	switch len(documents) {
	case 0:
		return d, nil
	case 1:
		d.Text = documents[0]
	default:
		for _, text := range documents {
			one := all
			one.Objects = nil
			if err := json.Unmarshal(text, &one); err != nil {
				return d, fmt.Errorf("nft: %w", err)
			}
			all.Objects = append(all.Objects, one.Objects...)
		}
		var err error
		if d.Text, err = json.Marshal(all); err != nil {
			return d, fmt.Errorf("nft: %w", err)
		}
	}
	var err error
	d.Text, err = nft.Merge(d.Name(), d.Text, listing)
	return d, err
}
