//go:build ignore

// Command shots takes the pictures of the pages that README shows, from the tests that open them in Chromium, and makes them small.
//
//	go run scripts/shots.go
//
// It takes some minutes. Of what a test pictures the top is kept, in as many colours as fit.
package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

const (
	folder = "docs/shots"
	height = 800
	most   = 60 << 10 // bytes of a picture
)

// pictures are named as the tests name theirs.
var pictures = map[string]string{
	"demo-paid-1280":                 "demo.png",
	"demo-paid-1280-dark":            "demo.zh-CN.png",
	"console-order-en-light-1280-js": "console.png",
	"console-order-zh-light-1280-js": "console.zh-CN.png",
}

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	taken := os.Getenv("SHOTS") // a folder of pictures that are there already
	if taken == "" {
		dir, err := os.MkdirTemp("", "shots")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		taken = dir
		cmd := exec.Command("go", "test", "-count=1", "-run", "^(TestDemoPage|TestConsoleInChromium)$", "./test", "./console")
		cmd.Env = append(os.Environ(), "SHOTS="+taken)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("the tests that take the pictures: %w", err)
		}
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(pictures)) {
		raw, err := os.ReadFile(filepath.Join(taken, name+".png"))
		if err != nil {
			return err
		}
		whole, err := png.Decode(bytes.NewReader(raw))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		small, err := shrink(whole)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if err := os.WriteFile(filepath.Join(folder, pictures[name]), small, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// shrink keeps the top of a picture, in the largest number of colours that fits.
func shrink(whole image.Image) ([]byte, error) {
	b := whole.Bounds()
	top := image.Rect(0, 0, b.Dx(), min(height, b.Dy()))
	from := image.NewRGBA(top)
	draw.Draw(from, top, whole, b.Min, draw.Src)
	for colours := 64; colours >= 8; colours /= 2 {
		to := image.NewPaletted(top, palette(from, colours))
		draw.Draw(to, top, from, image.Point{}, draw.Src)
		var small bytes.Buffer
		if err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&small, to); err != nil {
			return nil, err
		}
		if small.Len() <= most {
			return small.Bytes(), nil
		}
	}
	return nil, fmt.Errorf("it has more than %d bytes in 8 colours", most)
}

// palette is the most frequent colours that can be told apart.
func palette(picture *image.RGBA, colours int) (chosen color.Palette) {
	often := map[color.RGBA]int{}
	for y := range picture.Rect.Dy() {
		for x := range picture.Rect.Dx() {
			often[picture.RGBAAt(x, y)]++
		}
	}
	for _, c := range slices.SortedFunc(maps.Keys(often), func(a, b color.RGBA) int { return often[b] - often[a] }) {
		if !slices.ContainsFunc(chosen, func(other color.Color) bool { return near(c, other.(color.RGBA)) }) {
			chosen = append(chosen, c)
		}
		if len(chosen) == colours {
			break
		}
	}
	return chosen
}

func near(a, b color.RGBA) bool {
	d := func(a, b uint8) int { return (int(a) - int(b)) * (int(a) - int(b)) }
	return d(a.R, b.R)+d(a.G, b.G)+d(a.B, b.B) < 300
}
