// What is on show, and how the page's address holds it:
//   labels   a boolean for each attribute      before   those of the face it is compared with
//   person   place among the people, or null   strip    the attribute that is led from off to on
//
// #labels=No_Beard,Smiling&person=2&before=No_Beard&strip=Smiling ("person" counts from 1)

export function write({ labels, before, person, strip }, names) {
  const listed = (flags) => names.filter((_, i) => flags[i]).join(",");
  const words = new URLSearchParams({ labels: listed(labels) });
  if (person !== null) words.set("person", person + 1);
  if (listed(before) !== listed(labels)) words.set("before", listed(before));
  words.set("strip", names[strip]);
  return `#${words.toString().replaceAll("%2C", ",")}`;
}

// The state of an address, or null for one that holds none. Throws an Error that says what does not fit.
export function read(address, names, people) {
  const words = new URLSearchParams(address.replace(/^#/, ""));
  if (!words.has("labels")) return null;
  const place = (name) => {
    const i = names.indexOf(name);
    if (i < 0) throw new Error(`the address names “${name}”, which is no attribute here`);
    return i;
  };
  const flags = (list) => {
    const present = list.split(",").filter(Boolean).map(place);
    return names.map((_, i) => present.includes(i));
  };
  const labels = flags(words.get("labels"));
  const person = words.has("person") ? Number(words.get("person")) - 1 : null;
  if (person !== null && !people[person])
    throw new Error(`the address asks for person ${words.get("person")}; there are 1 to ${people.length}`);
  return {
    labels,
    before: words.has("before") ? flags(words.get("before")) : [...labels],
    person,
    strip: words.has("strip") ? place(words.get("strip")) : 0,
  };
}
