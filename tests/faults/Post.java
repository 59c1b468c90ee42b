// Posts a file with java.net.http.HttpClient as it comes, which offers an upgrade to h2c; prints the statuses.
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Path;

class Post {
    public static void main(String[] words) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        for (int number = 0; number < 3; number++) {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(words[0]))
                .POST(HttpRequest.BodyPublishers.ofFile(Path.of(words[1])));
            for (int at = 2; at < words.length; at += 2) {
                request.header(words[at], words[at + 1]);
            }
            HttpResponse<String> answer = client.send(request.build(), HttpResponse.BodyHandlers.ofString());
            System.out.println(answer.statusCode() + " " + answer.body());
        }
    }
}
