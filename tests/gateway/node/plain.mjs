// Node's own fetch: an answer, a stream of events, and a stream that its reader leaves.
// Arguments: URL, key, and a deployment that counts.
const [baseURL, apiKey, model] = process.argv.slice(2);
const messages = [{ role: 'user', content: 'hello' }];
const found = {};

const ask = (body, signal) =>
  fetch(`${baseURL}/chat/completions`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${apiKey}`
    },
    body: JSON.stringify({ model, messages, ...body }),
    signal
  });

const whole = await (await ask({ max_tokens: 3 })).json();
found.whole = whole.choices[0].message.content;

const reply = await ask({ max_tokens: 3, stream: true });
found.type = reply.headers.get('content-type');
let text = '';
for await (const block of reply.body.pipeThrough(new TextDecoderStream())) {
  text += block;
}
const events = text
  .split('\n\n')
  .filter(one => one.startsWith('data: '))
  .map(one => one.slice(6));
found.last = events.pop();
found.pieces = events.map(
  one => JSON.parse(one).choices[0]?.delta?.content ?? ''
);

const leaving = new AbortController();
const left = await ask(
  { max_tokens: 100000, stream: true },
  leaving.signal
);
await left.body.getReader().read();
leaving.abort();
found.left = true;

const missing = await ask({ model: 'nobody' });
found.missing = [missing.status, (await missing.json()).error.code];
console.log(JSON.stringify(found));
