HTTP/1.1 200 OK
date: Sun, 29 Nov 2026 16:35:41 GMT
x-width: 612
x-height: 408
x-foreground-top: 428
x-foreground-left: 703
x-foreground-width: 395
x-foreground-height: 227
x-credits-charged: 0
x-perkie-engine: builtin
cache-control: private, no-store
vary: Accept, Origin
x-type: animal
content-length: 9159
content-type: image/png
x-request-id: 8d20b0150c5a3208608af14db3a3bcac
traceparent: 00-4c6e9f2cd6272a2d5a46aee95f522662-6d1a4256165307c7-00
x-content-type-options: nosniff
referrer-policy: no-referrer

