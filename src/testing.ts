export { type Mortal, mortal } from "./testing/mortal.ts";
