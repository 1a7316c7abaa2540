// A shop that writes down what it gets, one line of JSON for each request, and answers with the same. Its first line is its port.
'use strict';
const fs = require('fs');
const http = require('http');

const server = http.createServer((req, res) => {
  const body = [];
  req.on('data', (piece) => body.push(piece));
  req.on('end', () => {
    const fields = [];
    for (let i = 0; i < req.rawHeaders.length; i += 2) fields.push([req.rawHeaders[i], req.rawHeaders[i + 1]]);
    const trailers = [];
    for (let i = 0; i < req.rawTrailers.length; i += 2) trailers.push([req.rawTrailers[i], req.rawTrailers[i + 1]]);
    const line = JSON.stringify({ method: req.method, target: req.url, fields, trailers, body: Buffer.concat(body).toString() });
    fs.appendFileSync(process.argv[2], line + '\n');
    res.setHeader('Content-Type', 'application/json');
    res.end(line);
  });
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
