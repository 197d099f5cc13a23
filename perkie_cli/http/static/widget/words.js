/** The words of one language, which are data: i18n/<language>.json. */

const fetched = new Map();

/** A function from a word's name and its values to the text; names without a word give "". */
export async function wordsIn(language) {
  if (!fetched.has(language)) {
    const loading = fetch(new URL(`i18n/${language}.json`, import.meta.url)).then((answer) => answer.json());
    fetched.set(language, loading);
    loading.catch(() => fetched.delete(language));
  }
  const words = await fetched.get(language);
  return (name, values = {}) => (words[name] ?? "").replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

/** A time of day here, with its weekday if it is not today. */
export function localTime(moment, language) {
  const date = new Date(moment);
  const today = date.toDateString() === new Date().toDateString();
  const how = { hour: "numeric", minute: "2-digit", ...(!today && { weekday: "long" }) };
  return new Intl.DateTimeFormat(language, how).format(date);
}

export const megabytes = (bytes) => `${Math.floor(bytes / 1024 / 1024)} MB`;
