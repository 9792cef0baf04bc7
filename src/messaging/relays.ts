import type { MessageRelays } from "../core/outbox.ts";
import type { Tasks } from "../core/ports.ts";
import type { Relay } from "./relay.ts";

/** Each relay in a loop of its own, so that a participant that is away holds up no other. */
export function createRelays(relays: readonly Relay[], tasks: Tasks): MessageRelays {
  return {
    start() {
      for (const relay of relays) tasks.start("relay", (signal) => relay.run(signal));
    },
    poke() {
      for (const relay of relays) relay.poke();
    },
    stop: () => tasks.stop(),
  };
}
