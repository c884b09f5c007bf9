// OpenAI's own client of Node: says what it got as one line of JSON. Arguments: where the package
// is installed, URL, key, and two deployments, one that counts and one that tells what it was asked.
import { createRequire } from 'node:module';

const [folder, baseURL, apiKey, counting, talking] = process.argv.slice(2);
const { OpenAI } = createRequire(`${folder}/`)('openai');
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const messages = [{ role: 'user', content: 'hello' }];
const found = {};

found.models = (await client.models.list()).data.map(one => one.id);

const whole = await client.chat.completions.create({
  model: counting,
  messages,
  max_tokens: 3
});
found.whole = [
  whole.choices[0].message.content,
  whole.choices[0].finish_reason,
  whole.usage.completion_tokens
];

const stream = await client.chat.completions.create({
  model: counting,
  messages,
  max_tokens: 3,
  stream: true,
  stream_options: { include_usage: true }
});
found.pieces = [];
for await (const chunk of stream) {
  found.pieces.push(chunk.choices[0]?.delta?.content ?? '');
  found.usage = chunk.usage?.completion_tokens ?? null;
}

const tools = [
  {
    type: 'function',
    function: {
      name: 'weather',
      parameters: { type: 'object', properties: { city: { type: 'string' } } }
    }
  }
];
const runner = client.chat.completions.stream({
  model: talking,
  messages,
  tools,
  tool_choice: 'required'
});
const called = await runner.finalChatCompletion();
found.call = called.choices[0].message.tool_calls[0].function;

const typed = await client.chat.completions.create({
  model: talking,
  messages,
  response_format: {
    type: 'json_schema',
    json_schema: { name: 'story', schema: { type: 'object' } }
  }
});
found.typed = JSON.parse(typed.choices[0].message.content);

found.response = (
  await client.responses.create({
    model: counting,
    input: 'hello',
    max_output_tokens: 2
  })
).output_text;

const vectors = await client.embeddings.create({
  model: talking,
  input: ['a', 'bcd']
});
found.vectors = vectors.data.map(one => one.embedding);

found.errors = [];
for (const ask of [
  { model: 'nobody', messages },
  { model: counting, messages: [] },
  { model: counting, messages, frequency_penalty: 'much' }
]) {
  try {
    await client.chat.completions.create(ask);
  } catch (error) {
    found.errors.push([error.constructor.name, error.status, error.param]);
  }
}
try {
  await new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 }).models.list();
} catch (error) {
  found.errors.push([error.constructor.name, error.status, null]);
}
console.log(JSON.stringify(found));
