// Package e2e tests the whole system as real processes: the programs are built
// once, started on free ports of the loopback, broken on purpose, and asked
// over REST what they know. TestChaos breaks all that can break and counts what
// is lost. The browser's part is in browser/, servers that nobody here wrote in
// thirdparty/.
package e2e
