// Everything here is an addition: without it the pages can be read and used.

// A link of `trackbridge console` has its code behind the #, which no server and no log sees. It is sent by the form.
const form = document.querySelector("[data-login]");
const code = /^#code=([a-z0-9-]+)$/.exec(location.hash);
if (form && code) {
  history.replaceState(null, "", location.pathname + location.search);
  form.querySelector("[name=key]").value = code[1];
  form.submit();
}
