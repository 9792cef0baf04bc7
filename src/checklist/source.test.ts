import { describe, expect, it } from "vitest";
import { isEmpty, usesMember } from "./source.ts";

// biome-ignore lint/suspicious/noExplicitAny: of each form there is one
type Body = (...args: any[]) => unknown;
const send = (..._: readonly unknown[]): string => "sent";
const order = { key: "A-17", headers: () => ({}) };
const service = {
  charge({ key }: { readonly key: string }) {
    return send(key);
  },
  async refund(step: { readonly key: string }) {
    return send(step.key);
  },
};

describe("whether a body uses its key", () => {
  it.each<readonly [string, Body, boolean | undefined]>([
    ["taken out of the argument", ({ key }) => send(key), true],
    ["taken out under another name", ({ key: mine }) => send(mine), true],
    ["taken out beside others, with a default", async ({ signal, key = "" } = {}) => send(signal, key), true],
    ["handed on in an object", ({ key }) => send({ key }), true],
    ["of an undo", ({ actionKey }) => send(actionKey), true],
    ["read from the argument", (step) => send(step.key), true],
    ["its headers", (step) => send({ headers: { ...step.headers() } }), true],
    ["read through a question mark", (step) => send(step?.key), true],
    [
      "taken out later",
      (step) => {
        const { attempt, key } = step;
        return send(attempt, key);
      },
      true,
    ],
    ["in a template", ({ key }) => send(`Idempotency-Key: ${key}`), true],
    ["behind an address in a template", ({ key }) => send(`https://bank/${order.key}`, { key }), true],
    ["by a method", service.charge, true],
    ["by an asynchronous method", service.refund, true],
    ["no argument", () => send(order.key, order.headers()), false],
    ["another argument", ({ signal }) => send(signal, order.key), false],
    ["taken and not used", ({ key: _ }) => send(), false],
    ["only the name of a property", ({ key }) => send(key === undefined ? {} : { key: 1 }), true],
    ["a property of the name", ({ key: _, signal }) => send({ key: signal }), false],
    ["only logged", ({ key, log }) => send(log.info({ key }, "charging")), false],
    ["only dropped", ({ key }) => send(void key), false],
    ["an argument that is left alone", (_step) => send(order.key), false],
    ["only another member", (step) => send(step.attempt), false],
    ["handed on as a whole", (step) => send(step), undefined],
    ["the rest", ({ signal, ...rest }) => send(signal, rest), undefined],
    ["all arguments", (...args) => send(...args), undefined],
    [
      "arguments",
      function () {
        // biome-ignore lint/complexity/noArguments: that is what is asked
        return send(arguments);
      },
      undefined,
    ],
    ["of a bound function", send.bind(null), undefined],
    ["in the text of a template", ({ key: _, signal }) => send(`the key of ${order.key}`, signal), false],
    ["taken, and named in the text of a template", ({ key: _key }) => send(`_key ${order.key}`), false],
    ["in a comment and a text", (_step) => send("_step.key") /* _step.key */, false],
  ])("%s", (_, body, uses) => expect(usesMember(body, ["key", "actionKey", "headers"])).toBe(uses));
});

describe("whether a body is empty", () => {
  it.each<readonly [string, Body, boolean]>([
    ["a block", () => {}, true],
    ["a comment", () => /* to be done */ {}, true],
    ["a function", function undo() {}, true],
    ["an asynchronous one", async () => {}, true],
    ["undefined", () => undefined, true],
    ["null", async () => null, true],
    ["a promise of nothing", () => Promise.resolve(), true],
    ["a call", () => send(), false],
    ["an object", () => ({}), false],
    [
      "a condition",
      (it) => {
        if (it) {
        }
      },
      false,
    ],
  ])("%s", (_, body, empty) => expect(isEmpty(body)).toBe(empty));
});
