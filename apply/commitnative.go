package apply

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/fwc-dev/fwc/internal/netfilter"
	"github.com/fwc-dev/fwc/ruleset"
	"github.com/fwc-dev/fwc/ruleset/nft"
)

// loadNative changes nft's own tables and deletes the tables that go, all in
// one transaction.
func (c *change) loadNative(p *tablePlan) error {
	var script bytes.Buffer
	var odd error
	command := func(verb string, t *ruleset.Table) {
		// The dump's reader has seen the name; a command of root's is worth a
		// second look.
		odd = errors.Join(odd, nft.CheckName(string(t.Family)), nft.CheckName(t.Name))
		fmt.Fprintf(&script, "%s table %s %s\n", verb, t.Family, t.Name)
	}
	var dropped, commands int
	for i := range p.drop {
		if p.drop[i].Backend == ruleset.NFT {
			command("delete", &p.drop[i])
			dropped++
		}
	}
	for i := range p.dropNative {
		command("delete", &p.dropNative[i])
	}
	replaced := map[tableKey]bool{}
	for i := range p.native {
		// Added first, since what is not there cannot be deleted.
		command("add", &p.native[i])
		command("delete", &p.native[i])
		replaced[keyOf(&p.native[i])] = true
	}
	if script.Len() == 0 || odd != nil {
		return odd
	}
	commands = dropped + len(p.dropNative) + len(p.native)
	body, err := nativeObjects(c.to.Snapshot, func(k tableKey) bool { return replaced[k] })
	if err != nil {
		return err
	}
	if len(body) > 0 {
		text, err := json.Marshal(map[string]any{"nftables": body})
		if err != nil {
			return err
		}
		add, err := nft.Script("nft.json", text)
		if err != nil {
			return err
		}
		script.Write(add)
	}
	err = c.guard.step(func() error { return netfilter.RunNFT(c.ctx, script.Bytes()) })
	var missing *netfilter.NoToolError
	if errors.As(err, &missing) && dropped == commands {
		return nil // the tables are empty already: without nft they stay so
	}
	c.out.Transactions++
	return err
}
