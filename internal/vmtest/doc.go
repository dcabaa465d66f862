//go:build vm

// Package vmtest tests fwc in a virtual machine, where it can do what namespaces
// do not show: another kernel with its modules, systemd, reboots, power cuts.
// It is run by make test-vm.
package vmtest
