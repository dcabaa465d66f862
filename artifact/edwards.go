package artifact

import (
	"crypto/ed25519"
	"math/big"
	"slices"
)

// Edwards25519 is -x²+y² = 1+d·x²·y² over the integers modulo p = 2²⁵⁵-19
// (RFC 8032, section 5.1).
var (
	edwardsP   = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 255), big.NewInt(19))
	edwardsOne = big.NewInt(1)
)

// checkEdwardsPoint refuses what crypto/ed25519 takes for a key and is none:
// encodings that are not the canonical one, numbers that are no point, and the
// eight points of small order, under which anyone can make a signature.
func checkEdwardsPoint(key ed25519.PublicKey) error {
	if len(key) != ed25519.PublicKeySize {
		return errorf(ErrKey, "an Ed25519 key of %d bytes", len(key))
	}
	raw := slices.Clone(key)
	slices.Reverse(raw) // to big-endian
	negative := raw[0]&0x80 != 0
	raw[0] &= 0x7f
	y := new(big.Int).SetBytes(raw)
	if y.Cmp(edwardsP) >= 0 {
		return errorf(ErrKey, "its Ed25519 point is not canonical")
	}
	x2, ok := edwardsX2(y)
	if !ok {
		return errorf(ErrKey, "its Ed25519 point is not on the curve")
	}
	if x2.Sign() == 0 && negative {
		return errorf(ErrKey, "its Ed25519 point is not canonical")
	}
	if isSmallOrder(x2, y) {
		return errorf(ErrKey, "its Ed25519 point is of small order")
	}
	return nil
}

// edwardsX2 returns x² = (y²-1)/(d·y²+1), and whether it is a square.
func edwardsX2(y *big.Int) (*big.Int, bool) {
	y2 := mulP(y, y)
	num := new(big.Int).Sub(y2, edwardsOne)
	den := mulP(edwardsD(), y2)
	den.Add(den, edwardsOne) // never 0: -1/d is no square
	x2 := mulP(num, den.ModInverse(den, edwardsP))
	return x2, big.Jacobi(x2, edwardsP) >= 0
}

// edwardsD returns d = -121665/121666.
func edwardsD() *big.Int {
	d := new(big.Int).ModInverse(big.NewInt(121666), edwardsP)
	return mulP(d, big.NewInt(-121665))
}

// isSmallOrder doubles the point three times. The points of small order are
// those whose order divides 8, the curve's cofactor: then 8·P is (0, 1). Only x²
// and y are needed: with t = d·x²·y², doubling gives
// x' = 2xy/(1+t), y' = (y²+x²)/(1-t).
func isSmallOrder(x2, y *big.Int) bool {
	for range 3 {
		y2 := mulP(y, y)
		t := mulP(edwardsD(), mulP(x2, y2))
		plus := new(big.Int).Add(edwardsOne, t)
		minus := new(big.Int).Sub(edwardsOne, t)
		plus.ModInverse(plus, edwardsP)
		minus.Mod(minus, edwardsP)
		minus.ModInverse(minus, edwardsP)
		sum := new(big.Int).Add(y2, x2)
		x2 = mulP(mulP(big.NewInt(4), mulP(x2, y2)), mulP(plus, plus))
		y = mulP(sum, minus)
	}
	return x2.Sign() == 0 && y.Cmp(edwardsOne) == 0
}

func mulP(a, b *big.Int) *big.Int {
	c := new(big.Int).Mul(a, b)
	return c.Mod(c, edwardsP)
}
