// The SDKs of npm against a server with the demo model: AI SDK's providers, then openai, @anthropic-ai/sdk and ollama.
// usage: node sdks.mjs URL, in a folder whose node_modules has them. Prints what fails; exit status 1 if something does.
import Anthropic from "@anthropic-ai/sdk";
import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { embed, generateObject, generateText, stepCountIs, streamText, tool } from "ai";
import { Ollama } from "ollama";
import OpenAI from "openai";
import { z } from "zod";

const url = process.argv[2];
const base = { baseURL: `${url}/v1`, apiKey: "none" };
const common = { temperature: 0, maxRetries: 0, maxOutputTokens: 500 };
const sum = "What is 46 plus 93?";
const weather = "What is the weather in Oslo and Lima?";
const reports = { Oslo: "sun", Lima: "rain" };
const tools = {
  get_weather: tool({
    description: "The weather in a city.",
    inputSchema: z.object({ city: z.string() }),
    execute: async ({ city }) => reports[city],
  }),
};

let failures = 0;
function check(name, holds, shown) {
  if (holds) return;
  ++failures;
  console.log(`${name}: ${JSON.stringify(shown)}`);
}

async function attempt(name, run) {
  try {
    await run();
  } catch (error) {
    check(name, false, `${error} ${error.responseBody ?? ""}`);
  }
}

// Text, a tool loop of two steps, the conversation sent back, an object. `keeps`: the thinking comes back, so that the
// second step repeats the first one to the token.
async function provider(name, model, { keeps = true, shows = true } = {}) {
  await attempt(`${name} text`, async () => {
    const { text, usage } = await generateText({ model, prompt: sum, ...common });
    check(`${name} text`, text.includes("139") && usage.totalTokens > 0, { text, usage });
  });
  await attempt(`${name} tools`, async () => {
    const stream = streamText({ model, prompt: weather, tools, stopWhen: stepCountIs(4), ...common });
    const seen = { "text-delta": "", "reasoning-delta": "", "tool-call": 0 };
    for await (const part of stream.fullStream) {
      if (part.type === "error") throw part.error;
      if (part.type === "tool-call") ++seen["tool-call"];
      else if (part.type in seen) seen[part.type] += part.text;
    }
    const [first, second] = (await stream.steps).map((step) => step.usage);
    check(`${name} tools`, seen["tool-call"] === 2 && seen["text-delta"] && second, seen);
    check(`${name} thinking`, !shows || seen["reasoning-delta"], seen);
    const said = first.inputTokens + first.outputTokens;
    check(`${name} prefix`, !keeps || second.cachedInputTokens >= said - 8, { first, second });
    const messages = [{ role: "user", content: weather }, ...(await stream.response).messages, { role: "user", content: sum }];
    const { text, toolCalls } = await generateText({ model, messages, tools, ...common });
    check(`${name} conversation`, text || toolCalls.length > 0, { text, toolCalls });
  });
}

async function object(name, model) {
  await attempt(`${name} object`, async () => {
    const schema = z.object({ city: z.string(), days: z.number().int() });
    const result = await generateObject({ model, schema, prompt: "Oslo for 3 days", ...common });
    check(`${name} object`, typeof result.object.city === "string", result.object);
  });
}

const openai = createOpenAI(base);
const compatible = createOpenAICompatible({ name: "glimt", includeUsage: true, supportsStructuredOutputs: true, ...base });
const anthropic = createAnthropic(base);
await provider("responses", openai("demo"));
await provider("chat", openai.chat("demo"), { keeps: false, shows: false }); // knows no reasoning_content
await provider("compatible", compatible("demo"));
await provider("anthropic", anthropic("demo"), { shows: false }); // thinks only when asked
for (const [name, model] of Object.entries({ responses: openai("demo"), compatible: compatible("demo"), anthropic: anthropic("demo") })) {
  await object(name, model);
}
await attempt("embed", async () => {
  const { embedding } = await embed({ model: openai.embedding("demo"), value: sum });
  check("embed", Math.abs(embedding.reduce((all, x) => all + x * x, 0) - 1) < 1e-3, embedding.length);
});

const messages = [{ role: "user", content: sum }];
await attempt("openai", async () => {
  const client = new OpenAI(base);
  const answer = await client.chat.completions.create({ model: "demo", messages, temperature: 0 });
  check("openai chat", answer.choices[0].message.content.includes("139"), answer);
  const response = await client.responses.stream({ model: "demo", input: sum, temperature: 0 }).finalResponse();
  check("openai responses", response.output_text.includes("139"), response);
  const vectors = await client.embeddings.create({ model: "demo", input: sum }); // asks for base64
  check("openai embeddings", Math.abs(vectors.data[0].embedding.reduce((all, x) => all + x * x, 0) - 1) < 1e-3, vectors);
});
await attempt("anthropic", async () => {
  const client = new Anthropic({ baseURL: url, apiKey: "none" });
  const request = { model: "demo", max_tokens: 500, thinking: { type: "adaptive" }, messages };
  const message = await client.messages.stream(request).finalMessage();
  check("anthropic", message.content.at(-1).type === "text" && message.content[0].signature, message);
});
await attempt("ollama", async () => {
  let text = "";
  for await (const part of await new Ollama({ host: url }).chat({ model: "demo", messages, stream: true, options: { temperature: 0 } })) {
    text += part.message.content;
  }
  check("ollama", text.includes("139"), text);
});
process.exit(failures ? 1 : 0);
