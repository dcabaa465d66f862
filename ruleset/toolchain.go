package ruleset

// Toolchain is what made a Snapshot: the versions that decide whether another
// host reads it the same way. A tool that is absent has "".
type Toolchain struct {
	Kernel    string  `json:"kernel"`    // uname -r, whole
	Arch      string  `json:"arch"`      // uname -m
	IPTables  string  `json:"iptables"`  // 1.8.9
	Backend   Backend `json:"backend"`   // what the plain iptables command is
	IPSet     string  `json:"ipset"`     // 7.17
	ARPTables string  `json:"arptables"` // 1.8.9
	EBTables  string  `json:"ebtables"`  // 1.8.9
	NFT       string  `json:"nft"`       // 1.0.6
}
