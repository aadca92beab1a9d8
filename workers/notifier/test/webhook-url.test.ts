import { describe, expect, test } from 'vitest'

import { acceptUrl } from '../src/domain/webhook-url.ts'

const strict = { ownHost: 'api.stoa.example', allowLoopback: false }
const local = { ...strict, allowLoopback: true }

/** Spellings of places that a stranger must not make the system call, and of things that are no address. */
const hostile = [
  // Loopback, in every notation that the URL standard reads.
  'https://127.0.0.1/',
  'https://127.0.0.1./',
  'https://127.1/',
  'https://127.0.1/',
  'https://2130706433/',
  'https://0x7f000001/',
  'https://0x7F.0x0.0x0.0x1/',
  'https://0x7f.1/',
  'https://017700000001/',
  'https://0177.0.0.1/',
  'https://0177.0000.0000.0001/',
  'https://0/',
  'https://0.0.0.0/',
  'https://0x0/',
  'https://00/',
  'https://①②⑦.⓪.⓪.①/',
  'https://１２７．０．０．１/',
  'https://127。0。0。1/',
  'https://127｡0｡0｡1/',
  'https://127．0．0．1/',
  'https://%31%32%37.0.0.1/',
  'https://%30x7f.1/',
  'https://127.0.0.1:443/',
  'https:127.0.0.1',
  'https:/127.0.0.1/',
  'https:\\\\127.0.0.1\\',
  'https://\t127.0.0.1/',
  'https://127.\n0.0.1/',
  ' https://127.0.0.1/ ',
  'HTTPS://127.0.0.1/',
  'https://1\u00AD27.0.0.1/',
  'https://127\u200B.0.0.1/',
  // Private, shared, link-local, metadata, multicast, documentation.
  'https://10.0.0.1/',
  'https://012.0.0.1/',
  'https://167772161/',
  'https://172.16.0.1/',
  'https://192.168.0.1/',
  'https://192.168.1/',
  'https://169.254.169.254/latest/meta-data/',
  'https://0xA9FEA9FE/',
  'https://2852039166/',
  'https://169.254.43518/',
  'https://100.64.0.1/',
  'https://100.100.100.200/',
  'https://198.18.0.1/',
  'https://192.0.0.192/',
  'https://224.0.0.1/',
  'https://255.255.255.255/',
  'https://8.8.8.8/',
  // IPv6: loopback, unspecified, mapped, compatible, 6to4, NAT64, unique local, link-local, and a public one.
  'https://[::1]/',
  'https://[0:0:0:0:0:0:0:1]/',
  'https://[::]/',
  'https://[::ffff:127.0.0.1]/',
  'https://[::ffff:7f00:1]/',
  'https://[::127.0.0.1]/',
  'https://[2002:7f00:1::]/',
  'https://[64:ff9b::127.0.0.1]/',
  'https://[64:ff9b::a9fe:a9fe]/',
  'https://[fc00::1]/',
  'https://[fd00:ec2::254]/',
  'https://[fe80::1]/',
  'https://[ff02::1]/',
  'https://[2606:4700:4700::1111]/',
  'https://[::1]:443/',
  // Names that only mean something inside.
  'https://localhost/',
  'https://LOCALHOST/',
  'https://localhost./',
  'https://LocalHost:443/',
  'https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/',
  'https://ｌｏｃａｌｈｏｓｔ/',
  'https://local%68ost/',
  'https://local\nhost/',
  'https://local\u00ADhost/',
  'https://foo.localhost/',
  'https://foo.localhost./',
  'https://foo。localhost/',
  'https://localhost.localdomain/',
  'https://printer.local/',
  'https://PRINTER.LOCAL./',
  'https://metadata.google.internal/',
  'https://METADATA.GOOGLE.INTERNAL./computeMetadata/v1/',
  'https://metadata/',
  'https://instance-data/',
  'https://intranet/',
  'https://db.corp/',
  'https://nas.lan/',
  'https://router.home/',
  'https://router.home.arpa/',
  'https://1.0.0.127.in-addr.arpa/',
  'https://kubernetes.default.svc.cluster.local/',
  'https://example.onion/',
  // This system itself.
  'https://api.stoa.example/v1/users',
  'https://API.STOA.EXAMPLE./',
  // Users and passwords, which say one host to a reader and another to a parser.
  'https://user@merchant.example.com/',
  'https://user:password@merchant.example.com/',
  'https://:password@merchant.example.com/',
  'https://merchant.example.com@127.0.0.1/',
  'https://merchant.example.com%40127.0.0.1/',
  'https://127.0.0.1\\@merchant.example.com/',
  'https://merchant.example.com#@127.0.0.1:80/'.replace('#', ':80#'),
  // Other schemes and ports.
  'http://merchant.example.com/',
  'http://127.0.0.1/',
  'http://localhost:8787/',
  'ftp://merchant.example.com/',
  'file:///etc/passwd',
  'file://merchant.example.com/etc/passwd',
  'gopher://merchant.example.com:6379/_FLUSHALL',
  'data:text/plain,x',
  'javascript:alert(1)',
  'blob:https://merchant.example.com/x',
  'ws://merchant.example.com/',
  'wss://merchant.example.com/',
  'https://merchant.example.com:80/',
  'https://merchant.example.com:8443/',
  'https://merchant.example.com:6379/',
  'https://merchant.example.com:0/',
  // What is no host.
  'https://',
  'https:///',
  'https://./',
  'https://../',
  'https://.example.com/',
  'https://merchant..example.com/',
  'https://merchant.example.com../',
  'https://-merchant.example.com/',
  `https://${'a'.repeat(64)}.example.com/`,
  `https://${'a.'.repeat(127)}example.com/`,
  'https://1.2.3.4.5/',
  'https://256.256.256.256/',
  'https://merchant.example.com:99999/',
  'https://exa mple.com/',
  'https://exa<mple.com/',
  'https://%00.example.com/',
  '//merchant.example.com/',
  '/hooks',
  'merchant.example.com',
  '',
]

describe('acceptUrl', () => {
  test.each([...new Set(hostile)])('refuses %j', (url) => {
    expect(() => acceptUrl(url, strict)).toThrow(
      expect.objectContaining({ code: 'webhook_url_refused' }),
    )
  })

  test.each([
    ['https://merchant.example.com/hooks?a=1', 'https://merchant.example.com/hooks?a=1'],
    ['https://merchant.example.com', 'https://merchant.example.com/'],
    ['https://merchant.example.com:443/', 'https://merchant.example.com/'],
    ['HTTPS://Merchant.Example.COM/A', 'https://merchant.example.com/A'],
    ['https://merchant.example.com./a', 'https://merchant.example.com./a'],
    ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
    ['https://merchant.example.com/a#secret', 'https://merchant.example.com/a'],
    ['https://localhost.example.com/', 'https://localhost.example.com/'],
    ['https://local.example.com/', 'https://local.example.com/'],
    ['https://127.0.0.1.example.com/', 'https://127.0.0.1.example.com/'],
    ['https://a_b.example.com/', 'https://a_b.example.com/'],
  ])('takes %j as %j', (url, spelled) => {
    expect(acceptUrl(url, strict)).toBe(spelled)
  })

  test.each(['http://127.0.0.1:8080/hook', 'http://localhost:8080/hook', 'http://127.1:8080/hook'])(
    'lets %j through in local development alone',
    (url) => {
      expect(acceptUrl(url, local)).toContain(':8080/hook')
      expect(() => acceptUrl(url, strict)).toThrow('Cannot take')
    },
  )

  test.each([
    'http://10.0.0.1:8080/',
    'http://[::1]:8080/',
    'http://user@127.0.0.1:8080/',
    'http://foo.localhost:8080/',
    'http://169.254.169.254/',
    'https://127.0.0.1:8080/',
  ])('refuses %j in local development too', (url) => {
    expect(() => acceptUrl(url, local)).toThrow('Cannot take')
  })
})
