import { type Topic, topic } from "../../../src/core/message.ts";
import type { Place } from "./world.ts";

/** A topic of one world's own, since worlds share databases. */
export const placedIn = ({ name }: Place): Topic<string> => topic<string>(`placed.${name}`);
