package packets

import "testing"

func TestRelations(t *testing.T) {
	for _, tt := range []struct{ a, b, want string }{
		{"-m time --timestart 22:00:00 --timestop 06:00:00", "-m time --timestart 21:00:00 --timestop 07:00:00", "implies"},
		{"-m time --timestart 22:00:00 --timestop 06:00:00", "-m time --timestart 08:00:00 --timestop 18:00:00", "excludes"},
		{"-m time --timestart 08:00:00 --timestop 18:00:00 --weekdays Sat", "-m time --timestart 08:00:00 --timestop 18:00:00", "implies"},
		{"-m time --timestart 08:00:00 --timestop 18:00:00 --weekdays Sat", "-m time --timestart 08:00:00 --timestop 18:00:00 --weekdays Sun", "excludes"},
		{"-m time --timestart 08:00:00 --timestop 18:00:00", "-m time --timestart 09:00:00 --timestop 17:00:00 --kerneltz", ""},
		{"-m time --timestart 22:00:00 --timestop 06:00:00 --contiguous", "-m time --timestart 21:00:00 --timestop 07:00:00 --contiguous", ""},
		{"-m time --timestart 08:00:00 --timestop 08:00:00", "-m time --timestart 00:00:00 --timestop 23:59:59", "implies implied"},
		{"-m time --monthdays 1", "-m time --monthdays 2", ""},
		{"-m owner --uid-owner 1000", "-m owner --uid-owner 1000-1999", "implies"},
		{"-m owner --uid-owner 1000", "-m owner --gid-owner 1000-1999", ""},
		{"-m owner --gid-owner 1000", "-m owner --gid-owner 5", "excludes"},
		{"-m owner --uid-owner 1000 --gid-owner 1", "-m owner --uid-owner 5", ""},
		{"-m recent --update --seconds 60 --hitcount 5 --name a", "-m recent --update --seconds 60 --hitcount 4 --name a", "implies"},
		{"-m recent --update --seconds 60 --hitcount 4 --name a", "-m recent --update --seconds 30 --hitcount 5 --name a", "implied"},
		{"-m recent --update --seconds 60 --hitcount 4 --name a", "-m recent --update --seconds 30 --hitcount 3 --name a", ""},
		{"-m recent --update --seconds 60 --name a", "-m recent --rcheck --seconds 60 --hitcount 3 --name a", ""},
		{"-m connlimit --connlimit-upto 5 --connlimit-mask 32 --connlimit-saddr", "-m connlimit --connlimit-upto 9 --connlimit-mask 32 --connlimit-saddr", "implies"},
		{"-m connlimit --connlimit-above 5 --connlimit-mask 24 --connlimit-saddr", "-m connlimit --connlimit-above 9 --connlimit-mask 32 --connlimit-saddr", ""},
	} {
		u := newUniverse(false)
		u.atom(tt.a, "", false)
		u.atom(tt.b, "", false)
		got := ""
		for _, c := range u.relations() {
			x, y := c.kids[0].op == not, c.kids[1].op == not
			switch {
			case x && y:
				got += " excludes"
			case x:
				got += " implies"
			default:
				got += " implied"
			}
		}
		if got != "" {
			got = got[1:]
		}
		if got != tt.want {
			t.Errorf("%s and %s: %q, want %q", tt.a, tt.b, got, tt.want)
		}
	}
}
