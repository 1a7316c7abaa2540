package caddymodule

import (
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/caddypay/caddypay/sandbox"
)

// What the sandbox command keeps in its folder, so that a Caddyfile and a mini program that know it still do after it was started again.
const (
	keptNames  = "sandbox.json"   // ids and keys: a Sandbox in JSON
	keptKey    = "pingpp.pem"     // signs webhooks
	keptPublic = "pingpp.pub.pem" // verifies them
)

// recall fills in what is not given with what the folder keeps of the last run. The key that signs webhooks is made here at the first.
func (s *Sandbox) recall(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("%w; name another folder with --dir", err)
	}
	file := filepath.Join(dir, keptNames)
	var kept Sandbox
	switch raw, err := os.ReadFile(file); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("%w; name another folder with --dir", err)
	default:
		if err := json.Unmarshal(raw, &kept); err != nil {
			return fmt.Errorf("%s: %w; remove it, and new keys are made", file, err)
		}
	}
	s.App, s.TestKey, s.LiveKey = cmp.Or(s.App, kept.App), cmp.Or(s.TestKey, kept.TestKey), cmp.Or(s.LiveKey, kept.LiveKey)
	accounts := kept.WeChat
	if accounts == nil {
		accounts = make(map[string]*WeChatConfig)
	}
	for kind, given := range s.WeChat {
		accounts[kind] = given
	}
	s.WeChat = accounts
	if s.SigningKey != "" {
		return nil
	}
	s.SigningKey = filepath.Join(dir, keptKey)
	if _, err := os.Stat(s.SigningKey); !errors.Is(err, fs.ErrNotExist) {
		return nil // what is wrong with it, who reads it says
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return replaceFile(s.SigningKey, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// keep writes down what the sandbox goes by now. It returns the file of the key that verifies its webhooks.
func keep(dir string, box *sandbox.Sandbox) (public string, err error) {
	text, err := json.MarshalIndent(Sandbox{App: box.App(), TestKey: box.TestKey(), LiveKey: box.LiveKey(), WeChat: map[string]*WeChatConfig{
		"wx_lite": {AppID: box.WxLite().AppID, Secret: box.WxLite().Secret},
		"wx_pub":  {AppID: box.WxPub().AppID, Secret: box.WxPub().Secret},
	}}, "", "  ")
	if err != nil {
		return "", err
	}
	public = filepath.Join(dir, keptPublic)
	return public, errors.Join(replaceFile(filepath.Join(dir, keptNames), append(text, '\n')), replaceFile(public, box.PublicKeyPEM()))
}

// replaceFile writes a file whole, for its owner alone: who reads it meanwhile finds the old one or the new one.
func replaceFile(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("%w; name another folder with --dir", err)
	}
	_, err = f.Write(content)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("%w; name another folder with --dir", err)
	}
	return nil
}
